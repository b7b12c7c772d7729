"""Log-probabilities of completions under a plain Qwen2 model (see model.qwen2), with gradients.

A group's prompt is computed once for all of its completions, linear layers compute no padding, and
operations that autograd would split are written as one. The values and gradients are those of
transformers' model up to rounding.
"""

from typing import Any

import torch
from torch.autograd import Function
from torch.nn.functional import embedding, scaled_dot_product_attention, silu

from workflow_scripts.model.linear import Linear
from workflow_scripts.model.qwen2 import Qwen2

_ROWS = 32  # completions that are computed at once; more exceed the processor's cache


class _Normalize(Function):
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


class _SwiGLU(Function):
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


class _Rotate(Function):
    """Rotary position embedding of heads of shape (rows, heads, size), in place."""

    @staticmethod
    def forward(ctx: Any, heads: torch.Tensor, rotations: torch.Tensor, n: int) -> torch.Tensor:
        ctx.save_for_backward(rotations)
        ctx.n = n
        ctx.mark_dirty(heads)
        torch.view_as_complex(heads[:, :n].unflatten(-1, (-1, 2))).mul_(rotations)
        return heads

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (rotations,) = ctx.saved_tensors
        gradient = gradient.contiguous().clone()
        torch.view_as_complex(gradient[:, : ctx.n].unflatten(-1, (-1, 2))).mul_(rotations.conj())
        return gradient, None, None


def _spread(rows: torch.Tensor, places: torch.Tensor, n: int) -> torch.Tensor:
    """N rows of zeros in which the given rows take the given places."""
    return rows.new_zeros(n, *rows.shape[1:]).index_copy_(0, places, rows)


class _Pad(Function):
    """Put rows into their places among n rows; the others, padding, are zeros."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, places: torch.Tensor, n: int) -> torch.Tensor:
        ctx.save_for_backward(places)
        return _spread(rows, places, n)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return gradient.index_select(0, places), None, None


class _Unpad(Function):
    """Take the rows at the given places, the inverse of _Pad."""

    @staticmethod
    def forward(ctx: Any, padded: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(places)
        ctx.n = len(padded)
        return padded.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (places,) = ctx.saved_tensors
        return _spread(gradient, places, ctx.n), None


def _mask(visible: torch.Tensor) -> torch.Tensor:
    """What is added to attention scores: 0 where a key is visible, -inf elsewhere."""
    return torch.zeros(visible.shape).masked_fill_(~visible, -torch.inf)


def _score(
    model: Qwen2,
    prompts: torch.Tensor,
    group: torch.Tensor,
    completions: torch.Tensor,
    n_tokens: torch.Tensor,
    temperature: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and entropies of the tokens of some completions, each of shape (tokens,).

    prompts are of shape (prompts, longest), padded with -1 on the left. completions, of shape
    (rows, longest), are padded on the right; n_tokens are their lengths, group their prompts.
    """
    shape = model.architecture
    (n_prompts, width), (n_rows, longest) = prompts.shape, completions.shape
    columns = torch.arange(longest)
    in_prompt = prompts >= 0
    is_fed = columns < (n_tokens - 1)[:, None]  # the last token is not fed to the model
    lengths = in_prompt.sum(1)

    # Tokens of all prompts, then of all completions: without padding in linear layers, padded in
    # attention. places are the tokens' indices among those with padding.
    tokens = torch.cat([prompts[in_prompt], completions[is_fed]])
    places = torch.cat([in_prompt.flatten(), is_fed.flatten()]).nonzero()[:, 0]
    n_padded = prompts.numel() + completions.numel()
    position = torch.cat(
        [
            (torch.arange(width) - (width - lengths)[:, None])[in_prompt],
            (lengths[group][:, None] + columns)[is_fed],
        ]
    )
    rotations = shape.rotations(int(position.max()) + 1)[position]
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    # Padding sees itself, because a softmax over no keys at all is not defined.
    seen_by_prompt = _mask((causal & in_prompt[:, None, None]) | torch.eye(width, dtype=torch.bool))
    own = torch.ones(longest, longest, dtype=torch.bool).tril().expand(n_rows, 1, -1, -1)
    prompt_seen = in_prompt[group][:, None, None].expand(-1, -1, longest, -1)
    seen = _mask(torch.cat([prompt_seen, own], -1))

    def attend(
        queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        attended = scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=mask,
            scale=1.0,
            enable_gqa=shape.heads != shape.kv_heads,
        )
        return attended.transpose(1, 2).flatten(0, 1).flatten(1)

    x = embedding(tokens, model.embedding, shape.pad)
    split = [shape.heads, shape.kv_heads, shape.kv_heads]
    for block in model.blocks:
        stacked = Linear.apply(_Normalize.apply(x, shape.epsilon), block.qkv, block.qkv_bias)
        heads = stacked.unflatten(1, (-1, shape.head_size))
        heads = _Rotate.apply(heads, rotations, shape.heads + shape.kv_heads)
        padded = _Pad.apply(heads, places, n_padded)
        of_prompts = padded[: prompts.numel()].unflatten(0, (n_prompts, width)).transpose(1, 2)
        of_rows = padded[prompts.numel() :].unflatten(0, (n_rows, longest)).transpose(1, 2)
        queries, keys, values = of_prompts.split(split, 1)
        own_queries, own_keys, own_values = of_rows.split(split, 1)
        attended = torch.cat(
            [
                attend(queries, keys, values, seen_by_prompt),
                attend(
                    own_queries,
                    torch.cat([keys.index_select(0, group), own_keys], 2),
                    torch.cat([values.index_select(0, group), own_values], 2),
                    seen,
                ),
            ]
        )
        x = x + Linear.apply(_Unpad.apply(attended, places), block.output)
        hidden = _SwiGLU.apply(Linear.apply(_Normalize.apply(x, shape.epsilon), block.gate_up))
        x = x + Linear.apply(hidden, block.down)

    # A completion's first token follows its prompt's last token, the others the token before.
    before = len(tokens) - int(is_fed.sum()) + (n_tokens - 1).cumsum(0) - n_tokens
    following = before[:, None] + columns
    following[:, 0] = (lengths.cumsum(0) - 1)[group]
    is_token = columns < n_tokens[:, None]
    last = x.index_select(0, following[is_token])
    logits = Linear.apply(_Normalize.apply(last, shape.epsilon), model.head) / temperature
    scores = logits.log_softmax(-1)
    chosen = scores.gather(1, completions[is_token][:, None])[:, 0]
    with torch.no_grad():
        entropies = -(scores.exp() * scores).sum(-1)
    return chosen, entropies


def score_completions(
    model: Qwen2,
    ids: torch.Tensor,
    mask: torch.Tensor,
    n_prompt: int,
    temperature: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities (with gradients) and entropies (without) of the tokens of completions.

    ids and mask (1 at tokens, 0 at padding) are of shape (rows, columns): n_prompt columns of
    prompts, padded on the left, then those of completions, padded on the right. Every prompt and
    completion has a token. Both results are of shape (rows, columns - n_prompt), and 0 at padding.
    """
    completions, is_token = ids[:, n_prompt:], mask[:, n_prompt:].bool()
    padded = ids[:, :n_prompt].masked_fill(mask[:, :n_prompt] == 0, -1)
    prompts, group = padded.unique(dim=0, return_inverse=True)
    n_tokens = is_token.sum(1)
    # Completions of a group together, and groups of similar length together.
    longest = n_tokens.new_zeros(len(prompts)).scatter_reduce(0, group, n_tokens, "amax")
    order = (longest[group] * len(prompts) + group).argsort(stable=True)
    scores = []
    for rows in order.split(_ROWS):
        used, local = group[rows].unique(return_inverse=True)
        some = prompts[used]
        some = some[:, (some >= 0).any(0)]
        width = int(n_tokens[rows].max())
        scores.append(
            _score(model, some, local, completions[rows, :width], n_tokens[rows], temperature)
        )
    columns = torch.arange(completions.shape[1])
    places = (order[:, None] * completions.shape[1] + columns)[is_token[order]]
    logps, entropies = (
        torch.cat(tokens).new_zeros(completions.numel()).index_copy(0, places, torch.cat(tokens))
        for tokens in zip(*scores, strict=True)
    )
    return logps.view_as(completions), entropies.view_as(completions)
