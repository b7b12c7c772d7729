"""What a model computes on is there, or one line says that it is not."""

import pytest
import torch
from pydantic import ValidationError

from workflow_scripts.common.errors import SettingError, StudyError
from workflow_scripts.model.device import device_name, peak_memory_mib, prepare_torch
from workflow_scripts.model.draw import SamplingParameters, draw_tokens, make_generator
from workflow_scripts.settings.model import Compute

MPS = Compute(device="mps", dtype="float32", threads=1)


def test_without_an_apple_gpu_one_line_says_so(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(StudyError, match="torch finds no GPU") as error:
        prepare_torch(MPS)
    assert "\n" not in str(error.value)


def test_an_apple_gpu_is_used_where_torch_has_it(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 3 * 2**20)
    prepare_torch(MPS)
    assert "Apple" in device_name("mps")
    assert peak_memory_mib("mps") == 3.0


def test_an_apple_gpu_computes_in_float32_alone():
    with pytest.raises((ValidationError, SettingError), match="float32, as"):
        Compute(device="mps", dtype="bfloat16", threads=1)


def test_tokens_for_an_apple_gpu_are_drawn_on_the_cpu():
    """It has no float64. The same seed draws the same tokens as for a model on the CPU."""
    logits, parameters = torch.randn(64, 32), SamplingParameters(8, frozenset({0}), 1.0)
    drawn = []
    for device in ("cpu", "mps"):
        generator = make_generator(device).manual_seed(5)
        assert generator.device.type == "cpu"
        drawn.append(draw_tokens(logits, parameters, generator))
    assert torch.equal(*drawn)
