"""A tiny study in a folder: base model, data sets, and the settings of its stages."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.conftest import TASK
from tests.model.conftest import BASE
from workflow_scripts.model.store import create_base_model, save_model
from workflow_scripts.model.tokenizer import make_tokenizer
from workflow_scripts.task.datasets import draw_prompts, draw_sft, write_dataset

LORA = {"r": 4, "alpha": 8, "dropout": 0.05, "target_modules": "all-linear"}
OPTIMIZATION = {
    "batch_size": 8,
    "micro_batch_size": 4,
    "learning_rate": 1e-2,
    "lr_schedule": "constant",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "adam_beta2": 0.999,
    "max_grad_norm": 1.0,
}
RL = {
    **OPTIMIZATION,
    "steps": 3,
    "group_size": 4,
    "kl_coefficient": 0.05,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "clip_epsilon": 0.2,
    "loss_type": "grpo",
    "scale_rewards": "group",
    "max_new_tokens": 8,
    "scored_steps": [1],
}


def model_settings(adaptation: str, dtype: str = "float32") -> dict:
    settings = {"device": "cpu", "dtype": dtype, "threads": 1}
    return {**settings, "adaptation": adaptation, "lora": LORA}


@dataclass
class TinyStudy:
    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def sft_set(self) -> Path:
        return self.folder / "sft.jsonl"

    @property
    def prompts(self) -> Path:
        return self.folder / "prompts.jsonl"


def make_tiny_study(folder: Path) -> TinyStudy:
    study = TinyStudy(folder)
    tokenizer = make_tokenizer(11, 18)
    torch.manual_seed(0)
    save_model(create_base_model(BASE, tokenizer), tokenizer, study.base)
    mix = {"steps": [2, 3], "backward_share": 0.5}
    write_dataset(study.sft_set, {}, draw_sft(TASK, mix, 24, seed=0, taken=set()))
    mix = {"steps": [2, 3], "evaluation_share": 0.5}
    write_dataset(study.prompts, {}, draw_prompts(TASK, mix, 8, taken=set()))
    return study


@pytest.fixture
def tiny(tmp_path) -> TinyStudy:
    return make_tiny_study(tmp_path)


@pytest.fixture(scope="module")
def shared_tiny(tmp_path_factory) -> TinyStudy:
    """For tests that train the same runs. They must leave it as it is."""
    return make_tiny_study(tmp_path_factory.mktemp("tiny"))
