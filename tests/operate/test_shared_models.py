"""The models in the reference are as good as the originals."""

import numpy as np
import pytest
from safetensors.torch import load_file

from tests.conftest import ROOT, load_tier
from tests.model.conftest import CPU
from workflow_scripts.common.errors import StudyError
from workflow_scripts.evaluate.exact import measure_exactly, solve
from workflow_scripts.model.device import prepare_torch
from workflow_scripts.model.generate import load_to_sample
from workflow_scripts.model.manifest import verify_model
from workflow_scripts.model.text_codec import load_codec
from workflow_scripts.operate.shared_models import keep_model
from workflow_scripts.task.datasets import draw_validation
from workflow_scripts.task.mixes import Singles

FB = ROOT / "tests" / "checkpoints" / "FB"


def test_half_precision_moves_exact_measures_by_far_less_than_sampling_would(tmp_path):
    """1024 problems x 4 samples have a standard error of 0.007."""
    prepare_torch(CPU)
    task = load_tier("laptop").task
    problems = draw_validation(task, Singles((2, 5, 8)), 96)["dev"]
    keep_model(FB, tmp_path / "kept")
    verified = []
    for folder in (FB, tmp_path / "kept"):
        solved = solve(problems, task.form, load_codec(folder))
        exact = measure_exactly(load_to_sample(folder, CPU), solved, 1.0)
        verified.append(np.exp(exact.sum(axis=1)))
    assert abs(verified[0].mean() - verified[1].mean()) < 0.001
    assert np.abs(verified[0] - verified[1]).max() < 0.03


def test_a_kept_model_is_half_as_large_and_replaces_an_older_one(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "old").write_text("old")
    keep_model(FB, tmp_path / "kept")
    files = verify_model(tmp_path / "kept")
    assert "old" not in files
    assert {str(w.dtype) for w in load_file(tmp_path / "kept/model.safetensors").values()} == {
        "torch.float16"
    }


def test_a_damaged_model_is_not_kept(tmp_path):
    keep_model(FB, tmp_path / "once")
    (tmp_path / "once" / "config.json").write_text("{}")
    with pytest.raises(StudyError, match=r"config\.json differs"):
        keep_model(tmp_path / "once", tmp_path / "twice")
    assert not (tmp_path / "twice").exists()
