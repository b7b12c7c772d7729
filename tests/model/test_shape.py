"""Parameters are counted as torch counts them."""

import pytest
from transformers import Qwen2ForCausalLM

from tests.conftest import ROOT, load_tier
from workflow_scripts.model.shape import HUB, Shape, read_shape
from workflow_scripts.model.store import add_lora, create_base_model, make_config
from workflow_scripts.model.tokenizer import make_tokenizer
from workflow_scripts.plan.study import Study
from workflow_scripts.settings.model import Lora

TINY = Shape(32, 2, 4, 2, 48, 118)


def n_trainable(model) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_a_shipped_model_has_the_parameters_that_its_shape_tells():
    folder = ROOT / "data/base/gf11/model"
    model = Qwen2ForCausalLM.from_pretrained(folder)
    assert read_shape(folder / "config.json").parameters == n_trainable(model)


@pytest.mark.parametrize("modules", ["all-linear", ["q_proj", "down_proj"]])
def test_an_adapter_has_the_parameters_that_the_shape_tells(modules):
    model = Qwen2ForCausalLM(make_config(TINY, make_tokenizer(11, 18)))
    assert TINY.parameters == n_trainable(model)
    lora = Lora(r=3, alpha=6, dropout=0.0, target_modules=modules)
    assert TINY.adapter_parameters(3, modules) == n_trainable(add_lora(model, lora))


def test_the_paper_s_model_has_its_published_size():
    assert HUB["Qwen/Qwen2.5-1.5B-Instruct"].parameters == 1_543_714_304


def test_the_shape_of_a_base_model_is_known_before_it_is_trained():
    study = Study(load_tier("gpu"))
    run = study.sft_runs["FB-s0"]
    tokenizer = make_tokenizer(11, run.settings.task.n_variables)
    assert study.base_shape(run).vocabulary == len(tokenizer)
    assert 20e6 < study.base_shape(run).parameters < 100e6
    smoke = Study(load_tier("smoke"))
    (gf13,) = (run for name, run in smoke.sft_runs.items() if name.startswith("gf13-"))
    made = create_base_model(smoke.settings.base, make_tokenizer(13, 18))
    assert smoke.base_shape(gf13).parameters == n_trainable(made)
