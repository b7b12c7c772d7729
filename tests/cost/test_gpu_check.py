"""The check for GPUs is run on the CPU at tiny sizes: its code, not its numbers."""

import json

import pytest
import torch

from tests.conftest import load_tier
from workflow_scripts.common.errors import StudyError
from workflow_scripts.cost import gpu_check
from workflow_scripts.cost.forecast import forecast
from workflow_scripts.cost.gpu_check import TierCheck, as_page, require_gpu
from workflow_scripts.cost.rates import find_rates
from workflow_scripts.cost.work import count_work
from workflow_scripts.model.shape import Shape
from workflow_scripts.plan.study import Study
from workflow_scripts.settings.overrides import override

TINY = {
    "experiments.robustness.enabled": False,  # whose groups are larger
    "model.device": "cpu",
    "model.threads": 1,
    "model.lora.r": 4,
    "data.rl_prompts": 8,
    "base.hidden_size": 16,
    "base.layers": 1,
    "base.heads": 2,
    "base.mlp_size": 16,
    "base.batch_size": 4,
    "sft.batch_size": 4,
    "sft.micro_batch_size": 4,
    "rl.batch_size": 8,
    "rl.micro_batch_size": 4,
    "rl.group_size": 4,
    "sampling.batch_size": 8,
    "sampling.n_samples": 4,
}

VOCABULARY = 400  # holds that of the stand-in for a tokenizer


@pytest.mark.slow
@pytest.mark.parametrize(("tier", "has_base"), [("paper", False), ("gpu", True)])
def test_every_stage_is_measured_and_cost_takes_what_comes_out(
    tier, has_base, tmp_path, monkeypatch
):
    monkeypatch.setattr(gpu_check, "MEASURED", {"base": 2, "sft": 2, "rl": 1})
    settings = override(load_tier(tier), TINY)
    shape = Shape(16, 1, 2, 1 if tier == "paper" else 2, 16, VOCABULARY)
    measured = TierCheck(settings, shape, tmp_path).measure()
    stages = {"sft", "rl", "rollouts"} | ({"base"} if has_base else set())
    for stage in stages:
        assert measured[stage]["tokens_per_second"] > 0
        assert measured[stage]["peak_memory_mib"] > 50
        assert measured[stage]["share_of_peak"] == "unknown chip"
        unit = "rollout" if stage == "rollouts" else "step"
        assert measured[stage][f"seconds_per_{unit}"] > 0
    assert ("base" in measured) == has_base
    assert measured["prompt_tokens"]["mean"] > 30
    page = as_page({tier: measured})
    assert all(f"| {tier}, {stage} |" in page for stage in stages)

    (tmp_path / "gpu").mkdir()
    jobs = count_work(Study(load_tier(tier)))
    (tmp_path / "gpu/rates.json").write_text(json.dumps({tier: measured}))
    rates = find_rates(tier, tmp_path, jobs)
    assert {stage for stage, _ in rates} == stages | {"exact"}
    assert "not measured" not in forecast(load_tier(tier), tmp_path)


def test_the_share_of_the_peak_is_that_of_the_chip(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_check, "device_name", lambda device: "NVIDIA A100-SXM4-80GB")
    check = TierCheck(
        override(load_tier("paper"), TINY), Shape(16, 1, 2, 1, 16, VOCABULARY), tmp_path
    )
    check._save_base()
    per_layer = 2 * 16 * (16 + 2 * 8) + 2 * 16 * 16 + 4 * 16 * 100 + 6 * 16 * 16
    share = check._rates(1e12, 2, 100)["share_of_peak"]
    assert share == pytest.approx(2 * (per_layer + 2 * VOCABULARY * 16) * 1e12 / 312e12, rel=1e-3)


@pytest.mark.parametrize(
    ("cuda", "reason"), [(None, "built without CUDA.*make gpu-check"), ("13.0", "nvidia-smi")]
)
def test_without_a_gpu_one_line_says_what_is_missing(cuda, reason, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StudyError, match=reason) as error:
        require_gpu()
    assert "\n" not in str(error.value)
