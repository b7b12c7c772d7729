"""Matrix products on a CPU, by the faster of two libraries in torch.

torch multiplies float32 matrices with MKL. The same torch also has oneDNN, which is up to twice as
fast on a processor with AVX-512. torch offers oneDNN's product only as a private operator, so
`linear` falls back on torch's own product wherever that operator is missing.
"""

import torch
from torch.nn.functional import linear as torch_linear

_ONEDNN = (
    getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if torch.backends.mkldnn.is_available()
    else None
)
# A call of oneDNN costs about 10 microseconds more, which pays from this number of multiplications.
_LARGE = 2**20


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """X @ weight.T + bias, for float32 x of shape (rows, inputs). Call it where autograd is off."""
    if _ONEDNN is None or x.shape[0] * weight.numel() < _LARGE:
        return torch_linear(x, weight, bias)
    product: torch.Tensor = _ONEDNN(x, weight, bias, "none", [], "")
    return product
