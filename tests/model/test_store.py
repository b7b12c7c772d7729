"""Models on disk: whole or refused, by name."""

import pytest
import torch

from tests.model.conftest import BASE, CPU, LORA
from workflow_scripts.common.errors import StudyError
from workflow_scripts.model.device import prepare_torch
from workflow_scripts.model.manifest import MANIFEST
from workflow_scripts.model.store import add_lora, create_base_model, load_model, save_model
from workflow_scripts.model.tokenizer import encode, load_tokenizer

BFLOAT16 = CPU.model_copy(update={"dtype": "bfloat16"})


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=torch.tensor([[5, 6, 7, 8]])).logits


def test_a_saved_model_loads_as_it_was(model, tokenizer, tmp_path):
    save_model(model, tokenizer, tmp_path / "model")
    assert torch.equal(logits(load_model(tmp_path / "model", CPU)), logits(model))


def test_a_saved_tokenizer_loads_as_it_was_also_when_saved_again(model, tokenizer, tmp_path):
    texts = ["x3 = x2 + e4\nx2 = e5 ; x3 ?\n", "try e1\nx3 = e1 + e4 = e10\nno\nans e2"]
    loaded = tokenizer
    for name in ("one", "two"):
        save_model(model, loaded, tmp_path / name)
        loaded = load_tokenizer(tmp_path / name)
        assert encode(loaded, texts) == encode(tokenizer, texts)
        assert [loaded.decode(ids).split() for ids in encode(loaded, texts)] == [
            text.split() for text in texts
        ]
        special = ("pad_token_id", "eos_token_id", "unk_token_id")
        assert all(getattr(loaded, key) == getattr(tokenizer, key) for key in special)


def test_weights_are_safetensors(model, tokenizer, tmp_path):
    files = save_model(model, tokenizer, tmp_path / "model")
    assert "model.safetensors" in files
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl"))]


def test_an_adapter_is_saved_alone_and_loads_upon_its_base(model, tokenizer, tmp_path):
    save_model(model, tokenizer, tmp_path / "base")
    base = load_model(tmp_path / "base", CPU)
    adapted = add_lora(base, LORA)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    files = save_model(adapted, tokenizer, tmp_path / "adapter")
    assert "model.safetensors" not in files
    frozen = load_model(tmp_path / "adapter", CPU)
    assert torch.equal(logits(frozen), logits(adapted))
    assert not [p for p in frozen.parameters() if p.requires_grad]
    trainable = load_model(tmp_path / "adapter", CPU, trainable=True)
    names = [name for name, p in trainable.named_parameters() if p.requires_grad]
    assert names
    assert all("lora_" in name for name in names)


@pytest.mark.parametrize("damage", ["cut short", "altered", "missing", "no manifest"])
def test_a_damaged_model_is_refused_by_the_name_of_the_file(model, tokenizer, tmp_path, damage):
    folder = tmp_path / "model"
    save_model(model, tokenizer, folder)
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    if damage == "cut short":
        weights.write_bytes(content[:-10])
    elif damage == "altered":
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "missing":
        weights.unlink()
    else:
        (folder / MANIFEST).unlink()
    with pytest.raises(StudyError) as error:
        load_model(folder, CPU)
    expected = folder / MANIFEST if damage == "no manifest" else weights
    assert str(expected) in str(error.value)
    assert "\n" not in str(error.value)


def test_the_seed_decides_the_weights(tokenizer):
    def first(seed):
        torch.manual_seed(seed)
        return next(create_base_model(BASE, tokenizer).parameters())

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_missing_gpu_is_one_clear_line():
    with pytest.raises(StudyError, match="no GPU is visible"):
        prepare_torch(CPU.model_copy(update={"device": "cuda"}))


def test_weights_to_be_trained_are_float32_beside_a_bfloat16_model(model, tokenizer, tmp_path):
    """Full weights and adapters alike; the rest is of the type that was asked for."""

    def types(loaded, trainable):
        return {p.dtype for p in loaded.parameters() if p.requires_grad == trainable}

    save_model(model, tokenizer, tmp_path / "base")
    full = load_model(tmp_path / "base", BFLOAT16, trainable=True)
    assert types(full, trainable=True) == {torch.float32}
    frozen = load_model(tmp_path / "base", BFLOAT16)
    save_model(add_lora(frozen, LORA), tokenizer, tmp_path / "adapter")
    adapted = load_model(tmp_path / "adapter", BFLOAT16, trainable=True)
    assert types(adapted, trainable=True) == {torch.float32}
    assert types(adapted, trainable=False) == {torch.bfloat16}
    assert {m.config._attn_implementation for m in (full, adapted)} == {"sdpa"}
