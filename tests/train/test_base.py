"""The base model: trained from scratch, measured, and compared with the one that is shipped."""

import pytest
import torch

from tests.conftest import load_tier
from tests.model.conftest import BASE, CPU
from tests.task.conftest import TASK
from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json
from workflow_scripts.model.store import create_base_model, load_model, save_model
from workflow_scripts.model.tokenizer import make_tokenizer
from workflow_scripts.settings.base import BaseSettings
from workflow_scripts.train.base import run_base
from workflow_scripts.train.compare_base import compare_base
from workflow_scripts.train.run_folder import RunFolder

pytestmark = pytest.mark.slow

SETTINGS = BaseSettings(task=TASK.for_base, model=CPU, base=BASE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    run_base(SETTINGS, RunFolder(folder, checkpoint_seconds=60))
    return folder


def compare(trained, shipped, output):
    manifests = ([folder / "model/manifest.json"] for folder in (trained, shipped))
    compare_base([SETTINGS], *manifests, output)


def test_training_lowers_the_loss_and_records_it(trained):
    held_out = read_json(trained / "run.json")["held_out"]
    first = float((trained / "log.csv").read_text().splitlines()[1].split(",")[1])
    assert held_out["loss"] < first
    assert 0 <= held_out["line_accuracy"] <= 1


def test_the_same_settings_give_the_same_model_however_often_it_is_saved(trained, tmp_path):
    run_base(SETTINGS, RunFolder(tmp_path, checkpoint_seconds=0))
    one, two = (read_json(folder / "run.json")["files"] for folder in (trained, tmp_path))
    assert one == two


def test_a_model_trained_anew_is_compared_with_the_shipped_one(trained, tmp_path):
    compare(trained, trained, tmp_path / "comparison.md")
    table = (tmp_path / "comparison.md").read_text()
    assert "| GF(11), last part asked | loss |" in table
    assert "| GF(11), last part asked | line_accuracy |" in table


def test_a_model_that_differs_beyond_the_tolerance_is_refused(trained, tmp_path):
    tokenizer = make_tokenizer(11, 18)
    torch.manual_seed(1)
    save_model(create_base_model(BASE, tokenizer), tokenizer, tmp_path / "other/model")
    with pytest.raises(StudyError, match=r"GF\(11\), last part asked loss .* instead of"):
        compare(trained, tmp_path / "other", tmp_path / "comparison.md")
    assert not (tmp_path / "comparison.md").exists()


def test_a_shipped_base_model_is_whole_and_made_by_its_record(pytestconfig):
    """Every folder under data/base: hashes, settings of the laptop tier, and what it learnt."""
    settings = load_tier("laptop")
    folders = sorted((pytestconfig.rootpath / "data/base").iterdir())
    assert [folder.name for folder in folders] == ["gf11", "gf11-asks=any", "gf13"]
    for folder in folders:
        model = load_model(folder / "model", CPU)
        record = read_json(folder / "run.json")
        assert record["files"] == read_json(folder / "model/manifest.json")["files"]
        assert record["settings"]["base"] == settings.base.model_dump()
        assert model.num_parameters() == record["n_trainable"]
        assert record["held_out"]["line_accuracy"] > 0.9
