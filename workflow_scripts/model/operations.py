"""Operations of the fast update, with gradients written by hand.

Each replaces several operations of torch, whose intermediate results autograd would keep and pass
over once more. Tensors are float32, and rows are tokens.
"""

from typing import Any

import torch
from torch.autograd import Function
from torch.nn.functional import silu

from workflow_scripts.model.linear import linear
from workflow_scripts.model.qwen2 import rotate


class Linear(Function):
    """`linear` with a gradient: x (rows, inputs), weight (outputs, inputs), bias (outputs,)."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return linear(x, weight, bias)

    @staticmethod
    def backward(
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x = linear(gradient.contiguous(), weight.T.contiguous())
        of_weight = linear(gradient.T.contiguous(), x.T.contiguous())
        return of_x, of_weight, gradient.sum(0) if ctx.has_bias else None


class Normalize(Function):
    """RMSNorm without its scale, of x of shape (rows, hidden size)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, epsilon: float) -> torch.Tensor:
        inverse = x.square().mean(-1, keepdim=True).add_(epsilon).rsqrt_()
        normalized = x * inverse
        ctx.save_for_backward(normalized, inverse)
        return normalized

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        normalized, inverse = ctx.saved_tensors
        along = (gradient * normalized).mean(-1, keepdim=True)
        return torch.addcmul(gradient, normalized, along, value=-1).mul_(inverse), None


class SwiGLU(Function):
    """silu(gate) * up, of gate and up side by side, of shape (rows, 2 * MLP size)."""

    @staticmethod
    def forward(ctx: Any, gate_up: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, -1)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (gate_up,) = ctx.saved_tensors
        gate, up = gate_up.chunk(2, -1)
        result = torch.empty_like(gate_up)
        of_gate, of_up = result.chunk(2, -1)
        torch.mul(gradient, silu(gate), out=of_up)
        of_gate.copy_(torch.ops.aten.silu_backward(gradient * up, gate))
        return result


class Rotate(Function):
    """Rotary position embedding of the first n heads of (rows, heads, size), in place.

    rotations are complex numbers of shape (rows, 1, size / 2).
    """

    @staticmethod
    def forward(ctx: Any, heads: torch.Tensor, rotations: torch.Tensor, n: int) -> torch.Tensor:
        ctx.save_for_backward(rotations)
        ctx.n = n
        ctx.mark_dirty(heads)
        rotate(heads[:, :n], rotations)
        return heads

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (rotations,) = ctx.saved_tensors
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        rotate(gradient[:, : ctx.n], rotations.conj())
        return gradient, None, None


def _spread(rows: torch.Tensor, places: torch.Tensor, n: int) -> torch.Tensor:
    """Zeros of n rows, in which the given rows take the given places."""
    return rows.new_zeros(n, *rows.shape[1:]).index_copy_(0, places, rows)


class Pad(Function):
    """Put rows, (rows, ...), into their places, (rows,), among n rows of which the others are 0."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, places: torch.Tensor, n: int) -> torch.Tensor:
        ctx.save_for_backward(places)
        return _spread(rows, places, n)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return gradient.index_select(0, places), None, None


class Unpad(Function):
    """Take the rows at the given places, (rows,), from (n, ...): the inverse of Pad."""

    @staticmethod
    def forward(ctx: Any, padded: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(places)
        ctx.n = len(padded)
        return padded.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (places,) = ctx.saved_tensors
        return _spread(gradient, places, ctx.n), None
