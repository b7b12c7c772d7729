"""Log-probabilities of completions under a plain Qwen2 model (see model.qwen2), with gradients.

A group's prompt is computed once for all of its completions, linear layers compute no padding, and
gradients of common operations are written by hand. The values and gradients are those of
transformers' model up to rounding.
"""

from dataclasses import dataclass

import torch
from torch.nn.functional import embedding

from workflow_scripts.model.operations import Linear, Normalize, Pad, Rotate, SwiGLU, Unpad
from workflow_scripts.model.qwen2 import Architecture, Qwen2, attend, visible_to_prompts

_ROWS = 32  # completions that are computed at once; more exceed the processor's cache
# Linear layers get multiples of this number of tokens. oneDNN prepares each new number, and keeps
# what it prepared, which takes time and memory.
_MULTIPLE = 128


def _mask(visible: torch.Tensor) -> torch.Tensor:
    """What is added to attention scores: 0 where a key is visible, -inf elsewhere."""
    return torch.zeros(visible.shape).masked_fill_(~visible, -torch.inf)


@dataclass(frozen=True)
class _Packed:
    """Completions and their prompts, packed: tokens of all prompts, then of all completions.

    Linear layers see the tokens alone, and a few spare ones that make their number a multiple.
    Attention sees them padded: first all prompts, in n_prompts rows, then all completions but for
    their last tokens, which are not fed to the model, then the spare tokens.
    """

    tokens: torch.Tensor  # (tokens,)
    places: torch.Tensor  # (tokens,): index of a token among the tokens with padding
    n_spare: int
    rotations: torch.Tensor  # (tokens, 1, head size / 2)
    n_prompts: int
    width: int  # of the padded prompts
    group: torch.Tensor  # (rows,): the prompt of each completion
    longest: int  # of the completions, whose last token's column is padding in attention
    prompt_mask: torch.Tensor  # (prompts, 1, width, width)
    mask: torch.Tensor  # (rows, 1, longest, width + longest)
    before: torch.Tensor  # (a multiple,): index of the token before each completion token
    targets: torch.Tensor  # (completion tokens,)


def _spare(n: int) -> torch.Tensor:
    """Zeros, as many as are missing to the next multiple."""
    return torch.zeros(-n % _MULTIPLE, dtype=torch.long)


def _pack(
    architecture: Architecture,
    prompts: torch.Tensor,
    group: torch.Tensor,
    completions: torch.Tensor,
    n_tokens: torch.Tensor,
) -> _Packed:
    """Pack completions of shape (rows, longest), padded on the right.

    n_tokens (rows,) are their lengths, group (rows,) the indices of their prompts, which are of
    shape (prompts, width), padded with -1 on the left.
    """
    (_, width), (n_rows, longest) = prompts.shape, completions.shape
    columns = torch.arange(longest)
    in_prompt = prompts >= 0
    lengths, n_fed = in_prompt.sum(1), n_tokens - 1
    is_fed, is_token = columns < n_fed[:, None], columns < n_tokens[:, None]
    position = torch.cat(
        [
            (torch.arange(width) - (width - lengths)[:, None])[in_prompt],
            (lengths[group][:, None] + columns)[is_fed],
        ]
    )
    own_seen = torch.ones(longest, longest, dtype=torch.bool).tril().expand(n_rows, 1, -1, -1)
    prompt_seen = in_prompt[group][:, None, None].expand(-1, -1, longest, -1)
    # A completion's first token follows its prompt's last token, the others its own tokens.
    first = lengths.sum() + n_fed.cumsum(0) - n_fed
    before = first[:, None] + columns - 1
    before[:, 0] = (lengths.cumsum(0) - 1)[group]
    spare = _spare(len(position))
    is_placed = torch.cat([in_prompt.flatten(), is_fed.flatten(), spare == 0])
    targets = completions[is_token]
    return _Packed(
        tokens=torch.cat([prompts[in_prompt], completions[is_fed], spare]),
        places=is_placed.nonzero()[:, 0],
        n_spare=len(spare),
        rotations=architecture.rotations(int(position.max()) + 1)[torch.cat([position, spare])],
        n_prompts=len(prompts),
        width=width,
        group=group,
        longest=longest,
        prompt_mask=_mask(visible_to_prompts(in_prompt)),
        mask=_mask(torch.cat([prompt_seen, own_seen], -1)),
        before=torch.cat([before[is_token], _spare(len(targets))]),
        targets=targets,
    )


def _attention(architecture: Architecture, packed: _Packed, heads: torch.Tensor) -> torch.Tensor:
    """The output of attention, (tokens, heads * size), from heads of shape (tokens, all, size)."""
    parts = [packed.n_prompts * packed.width, len(packed.group) * packed.longest, packed.n_spare]
    padded = Pad.apply(heads, packed.places, sum(parts))
    prompt_part, completion_part, spare_part = padded.split(parts)
    of_prompts = prompt_part.unflatten(0, (-1, packed.width)).transpose(1, 2)
    of_rows = completion_part.unflatten(0, (-1, packed.longest)).transpose(1, 2)
    split = [architecture.heads, architecture.kv_heads, architecture.kv_heads]
    prompt_queries, prompt_keys, prompt_values = of_prompts.split(split, 1)
    queries, own_keys, own_values = of_rows.split(split, 1)
    keys = torch.cat([prompt_keys.index_select(0, packed.group), own_keys], 2)
    values = torch.cat([prompt_values.index_select(0, packed.group), own_values], 2)
    attended = torch.cat(
        [
            attend(prompt_queries, prompt_keys, prompt_values, packed.prompt_mask).flatten(0, 1),
            attend(queries, keys, values, packed.mask).flatten(0, 1),
            spare_part[:, : architecture.heads],
        ]
    )
    return Unpad.apply(attended.flatten(1), packed.places)


def _score(model: Qwen2, packed: _Packed, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and entropies of completion tokens, each of shape (completion tokens,)."""
    shape = model.architecture
    x = embedding(packed.tokens, model.embedding, shape.pad)
    for block in model.blocks:
        stacked = Linear.apply(Normalize.apply(x, shape.epsilon), block.qkv, block.qkv_bias)
        heads = stacked.unflatten(1, (-1, shape.head_size))
        heads = Rotate.apply(heads, packed.rotations, shape.heads + shape.kv_heads)
        x = x + Linear.apply(_attention(shape, packed, heads), block.output)
        hidden = SwiGLU.apply(Linear.apply(Normalize.apply(x, shape.epsilon), block.gate_up))
        x = x + Linear.apply(hidden, block.down)
    before = x.index_select(0, packed.before)
    logits = Linear.apply(Normalize.apply(before, shape.epsilon), model.head)
    logps = (logits[: len(packed.targets)] / temperature).log_softmax(-1)
    with torch.no_grad():
        entropies = -(logps.exp() * logps).sum(-1)
    return logps.gather(1, packed.targets[:, None])[:, 0], entropies


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
        longest_here = int(n_tokens[rows].max())
        packed = _pack(
            model.architecture, some, local, completions[rows, :longest_here], n_tokens[rows]
        )
        scores.append(_score(model, packed, temperature))
    columns = torch.arange(completions.shape[1])
    places = (order[:, None] * completions.shape[1] + columns)[is_token[order]]
    logps, entropies = (
        torch.cat(tokens).new_zeros(completions.numel()).index_copy(0, places, torch.cat(tokens))
        for tokens in zip(*scores, strict=True)
    )
    return logps.view_as(completions), entropies.view_as(completions)
