"""Folders without a manifest: loaded as the study's own models, or refused."""

import json
import shutil

import pytest
import torch
from transformers import MistralConfig, Qwen2Config

from tests.conftest import ROOT
from tests.model.conftest import CPU
from workflow_scripts.common.errors import StudyError
from workflow_scripts.model.draw import SamplingParameters
from workflow_scripts.model.foreign import load_foreign, refuse_other_caches
from workflow_scripts.model.generate import generate, implementation, load_to_sample
from workflow_scripts.model.manifest import MANIFEST

OWN = ROOT / "tests/checkpoints/FB"


@pytest.fixture
def folder(tmp_path):
    """A model of the study as a stranger's: without its manifest."""
    target = tmp_path / "model"
    shutil.copytree(OWN, target)
    (target / MANIFEST).unlink()
    return target


def test_a_model_without_a_manifest_samples_as_with_one(folder):
    model, codec = load_foreign(folder, CPU)
    own = load_to_sample(OWN, CPU)
    assert implementation(model) == implementation(own)
    prompts = codec.encode(["x3 = x2 + e4\nx2 = e5 ; x3 ?\n"])
    parameters = SamplingParameters(12, frozenset({codec.end}), 1.0)
    sampled = [
        generate(each, prompts, 8, parameters, torch.Generator().manual_seed(0))
        for each in (model, own)
    ]
    assert sampled[0] == sampled[1]


def test_a_manifest_that_is_there_is_verified(folder):
    (folder / MANIFEST).write_text(json.dumps({"files": {"config.json": "another"}}))
    with pytest.raises(StudyError, match="differs from its hash"):
        load_foreign(folder, CPU)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("config.json", "config.json"),
        ("model.safetensors", "safetensors"),
        ("tokenizer.json", "tokenizer.json"),
    ],
)
def test_an_incomplete_folder_is_refused(folder, missing, named):
    (folder / missing).unlink()
    with pytest.raises(StudyError, match=f"holds no .*{named}"):
        load_foreign(folder, CPU)


def test_pickled_weights_and_code_are_never_loaded(folder):
    weights = folder / "model.safetensors"
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(StudyError, match="holds no"):
        load_foreign(folder, CPU)
    shutil.copy(OWN / "model.safetensors", weights)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "theirs", "auto_map": {"AutoConfig": "code.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text("raise SystemExit('their code has run')")
    with pytest.raises(StudyError, match="transformers cannot load the model") as refused:
        load_foreign(folder, CPU)
    assert "\n" not in str(refused.value)


def test_layers_with_a_window_are_refused():
    refuse_other_caches(Qwen2Config())
    with pytest.raises(StudyError, match="do not attend to the whole text"):
        refuse_other_caches(MistralConfig(sliding_window=8))
