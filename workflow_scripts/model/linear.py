"""Matrix products on a CPU, by the faster of two libraries in torch.

torch multiplies float32 matrices with MKL. The same torch also has oneDNN, which is up to twice as
fast on a processor with AVX-512. torch offers oneDNN's product only as a private operator, so
`linear` falls back on torch's own product wherever that operator is missing.
"""

from typing import Any

import torch
from torch.autograd import Function
from torch.nn.functional import linear as torch_linear

_ONEDNN = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if torch.backends.mkldnn.is_available()
    else None
)
# A call of oneDNN costs about 10 microseconds more, which pays from this number of multiplications.
_LARGE = 2**20


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """X @ weight.T + bias, for float32 x of shape (rows, inputs), without a gradient."""
    if _ONEDNN is None or x.shape[0] * weight.numel() < _LARGE:
        return torch_linear(x, weight, bias)
    product: torch.Tensor = _ONEDNN(x, weight, bias, "none", [], "")
    return product


class Linear(Function):
    """`linear` with a gradient."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See `linear`."""
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return linear(x, weight, bias)

    @staticmethod
    def backward(
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """The gradients of x, weight and bias."""
        x, weight = ctx.saved_tensors
        of_x = linear(gradient.contiguous(), weight.T.contiguous())
        of_weight = linear(gradient.T.contiguous(), x.T.contiguous())
        return of_x, of_weight, gradient.sum(0) if ctx.has_bias else None
