"""Exported data sets have the hub's layout, and the card makes them again."""

import json

import pytest
import yaml

from tests.task.conftest import MIX, TASK
from workflow_scripts.common.errors import StudyError
from workflow_scripts.task import library
from workflow_scripts.task.datasets import make_heldout, make_prompts, make_sft, make_validation
from workflow_scripts.task.export import export
from workflow_scripts.task.mixes import PromptSingles, Singles
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.strangers import read_problem

KINDS = ("dev", "confirm", "sft", "heldout", "prompts")


@pytest.fixture
def paths(tmp_path):
    made = {name: tmp_path / f"{name}.jsonl" for name in KINDS}
    validation = [made["dev"], made["confirm"]]
    make_validation(TASK, Singles((2, 3)), 8, *validation)
    make_sft(TASK, MIX, 6, 3, validation, made["sft"])
    make_heldout(TASK, MIX, made["dev"], made["heldout"])
    make_prompts(TASK, PromptSingles((2, 3), 0.5), 4, 3, validation, made["prompts"])
    return made


def read_card(folder) -> tuple[dict, str]:
    _, header, body = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(header), body


def test_the_card_describes_the_files(paths, tmp_path):
    export(list(paths.values()), tmp_path / "hub")
    header, _ = read_card(tmp_path / "hub")
    assert header["license"] == "mit"
    described = {info["config_name"]: info for info in header["dataset_info"]}
    assert list(described) == ["validation", "sft", "heldout", "prompts"]
    for configuration in header["configs"]:
        info = described[configuration["config_name"]]
        features = [feature["name"] for feature in info["features"]]
        counts = {split["name"]: split["num_examples"] for split in info["splits"]}
        assert set(counts) == {each["split"] for each in configuration["data_files"]}
        for each in configuration["data_files"]:
            lines = (tmp_path / "hub" / each["path"]).read_text().splitlines()
            assert len(lines) == counts[each["split"]]
            assert all(list(json.loads(line)) == features for line in lines)


def test_an_exported_row_has_its_problem_and_its_answer(paths, tmp_path):
    export([paths["sft"]], tmp_path / "hub")
    (exported,) = (tmp_path / "hub/data").iterdir()
    original = library.read_dataset(paths["sft"])
    for line, row in zip(exported.read_text().splitlines(), original, strict=True):
        found, problem = json.loads(line), Problem.from_json(row["problem"])
        assert read_problem(found["problem"]) == problem
        assert found["answer"] == problem.field.names[problem.answer]
        assert library.outcome_reward(problem, found["response"], True) == 1.0


def test_the_calls_on_the_card_make_the_data_sets_again(paths, tmp_path, monkeypatch):
    export(list(paths.values()), tmp_path / "hub")
    _, body = read_card(tmp_path / "hub")
    calls = [line.strip() for line in body.splitlines() if line.startswith("    ")]
    again = tmp_path / "again"
    again.mkdir()
    monkeypatch.chdir(again)
    names = {"VALIDATION": [paths["dev"], paths["confirm"]]}
    exec("\n".join(call for call in calls if not call.startswith("python")), names)
    for name, path in paths.items():
        assert (again / path.name).read_bytes() == path.read_bytes(), name


def test_sets_that_would_share_a_file_or_are_damaged_are_refused(paths, tmp_path):
    with pytest.raises(StudyError, match="both are sft sets for the split train"):
        export([paths["sft"], paths["sft"]], tmp_path / "hub")
    paths["dev"].write_text(paths["dev"].read_text()[:-5])
    with pytest.raises(StudyError, match=r"dev\.jsonl is no unaltered data set"):
        export([paths["dev"]], tmp_path / "hub")
    assert not (tmp_path / "hub").exists()
