"""A tiny study in a folder: base model, data sets, and the settings of its stages."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.model.conftest import BASE, LORA
from tests.task.conftest import TASK
from workflow_scripts.model.store import create_base_model, save_model
from workflow_scripts.model.tokenizer import make_tokenizer
from workflow_scripts.settings.model import TrainedModel
from workflow_scripts.settings.rl import Rl, RlSettings
from workflow_scripts.settings.sft import Sft, SftSettings
from workflow_scripts.task.datasets import draw_prompts, draw_sft, write_dataset
from workflow_scripts.task.mixes import PromptSingles, SolvedSingles

OPTIMIZATION: dict[str, Any] = {
    "batch_size": 8,
    "micro_batch_size": 4,
    "learning_rate": 1e-2,
    "lr_schedule": "constant",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "adam_beta2": 0.999,
    "max_grad_norm": 1.0,
}
SFT = Sft(**OPTIMIZATION, epochs=2)
RL = Rl(
    **OPTIMIZATION,
    steps=3,
    group_size=4,
    kl_coefficient=0.05,
    temperature=1.0,
    top_p=1.0,
    top_k=0,
    clip_epsilon=0.2,
    loss_type="grpo",
    scale_rewards="group",
    max_new_tokens=8,
    scored_steps=[1],
)


def trained_model(adaptation: str, dtype: str = "float32") -> TrainedModel:
    """The settings of a model in training on the CPU: full, or with a LoRA adapter."""
    lora = LORA if adaptation == "lora" else None
    return TrainedModel(device="cpu", dtype=dtype, threads=1, adaptation=adaptation, lora=lora)


def sft_settings(adaptation: str, dtype: str = "float32", **changes: Any) -> SftSettings:
    """Settings of an SFT run, with changes of the section sft."""
    sft = SFT.model_copy(update=changes)
    return SftSettings(model=trained_model(adaptation, dtype), sft=sft)


def rl_settings(adaptation: str, dtype: str = "float32", **changes: Any) -> RlSettings:
    """Settings of an RL run, with changes of the section rl."""
    rl = RL.model_copy(update=changes)
    return RlSettings(model=trained_model(adaptation, dtype), rl=rl)


@dataclass
class TinyStudy:
    """Where the files of the tiny study lie."""

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
    examples = draw_sft(TASK, SolvedSingles(0.5, (2, 3)), 24, seed=0, taken=set())
    write_dataset(study.sft_set, {}, examples)
    prompts = draw_prompts(TASK, PromptSingles((2, 3), 0.5), 8, seed=0, taken=set())
    write_dataset(study.prompts, {}, prompts)
    return study


@pytest.fixture
def tiny(tmp_path) -> TinyStudy:
    return make_tiny_study(tmp_path)


@pytest.fixture(scope="module")
def shared_tiny(tmp_path_factory) -> TinyStudy:
    """For tests that train the same runs. They must leave it as it is."""
    return make_tiny_study(tmp_path_factory.mktemp("tiny"))
