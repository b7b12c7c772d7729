"""Matrix products by oneDNN and by torch's own product are the same up to rounding."""

import pytest
import torch

from workflow_scripts.model import linear as module
from workflow_scripts.model.linear import linear
from workflow_scripts.model.operations import Linear

ROWS, INPUTS, OUTPUTS = 256, 96, 64  # large enough for oneDNN


@pytest.fixture(params=["oneDNN", "fallback"])
def library(request, monkeypatch):
    if request.param == "fallback":
        monkeypatch.setattr(module, "_ONEDNN", None)
    elif module._ONEDNN is None:
        pytest.skip("this torch has no oneDNN")
    return request.param


def operands(dtype=torch.float32):
    torch.manual_seed(0)
    shapes = (ROWS, INPUTS), (OUTPUTS, INPUTS), (OUTPUTS,)
    return [torch.randn(shape).to(dtype).requires_grad_() for shape in shapes]


def test_the_test_is_large_enough_for_onednn():
    assert ROWS * INPUTS * OUTPUTS >= module._LARGE


@pytest.mark.parametrize("has_bias", [False, True])
def test_product_and_gradients_are_those_of_float64(library, has_bias):
    def run(product, operands):
        operands = operands if has_bias else operands[:2]
        result = product(*operands)
        (result**2).sum().backward()
        return [result, *(operand.grad for operand in operands)]

    exact = run(torch.nn.functional.linear, operands(torch.float64))
    for mine, expected in zip(run(Linear.apply, operands()), exact, strict=True):
        assert torch.allclose(
            mine.double(), expected, rtol=1e-4, atol=1e-5 * float(expected.detach().abs().max())
        )


def test_few_rows_and_many_give_the_same_product(library):
    x, weight, bias = (operand.detach() for operand in operands())
    assert torch.allclose(linear(x, weight, bias)[:3], linear(x[:3], weight, bias), atol=1e-4)
