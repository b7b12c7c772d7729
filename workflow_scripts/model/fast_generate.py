"""The decode loop for a plain Qwen2 model on a CPU (see model.qwen2).

It samples as model.reference_generate does, in about half of the time: it calls few operations for
a token, writes keys and values in place, and samples so few completions at once that their keys
and values stay in the processor's cache.
"""

from dataclasses import dataclass

import torch
from torch.nn.functional import embedding, silu

from workflow_scripts.model.draw import ENDED_SHARE, SamplingParameters, draw_tokens
from workflow_scripts.model.linear import linear
from workflow_scripts.model.qwen2 import Block, Qwen2, attend, rotate, visible_to_prompts

_ROWS = 64  # completions that are sampled at once


@dataclass(frozen=True)
class _Prompts:
    """What sampling needs of prompts that the model has read. Prompts are padded on the left."""

    lengths: torch.Tensor  # (prompts,)
    mask: torch.Tensor | None  # (prompts, 1, 1, longest): -inf at padding; None without padding
    states: list[torch.Tensor]  # for each block, (2, prompts, KV heads, longest, head size)
    logits: torch.Tensor  # (prompts, vocabulary), of the first token of a completion


def _normalize(x: torch.Tensor, epsilon: float) -> torch.Tensor:
    """RMSNorm without its scale, which model.qwen2 multiplies into the weights after it."""
    return x * x.square().mean(-1, keepdim=True).add_(epsilon).rsqrt_()


def _attention_input(
    model: Qwen2, block: Block, x: torch.Tensor, rotations: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries (rows, heads, size), and keys and values (rows, 2, KV heads, size), rotated.

    x is of shape (rows, hidden size), rotations of shape (rows, 1, size / 2).
    """
    shape = model.architecture
    stacked = linear(_normalize(x, shape.epsilon), block.qkv, block.qkv_bias)
    heads = stacked.view(len(x), -1, shape.head_size)
    rotate(heads[:, : shape.heads + shape.kv_heads], rotations)
    states = heads[:, shape.heads :].unflatten(1, (2, shape.kv_heads))
    return heads[:, : shape.heads], states


def _after_attention(
    model: Qwen2, block: Block, x: torch.Tensor, attended: torch.Tensor
) -> torch.Tensor:
    """The output of a block, of shape (rows, hidden size), from that of its heads."""
    x = x + linear(attended.reshape(len(x), -1), block.output)
    hidden = linear(_normalize(x, model.architecture.epsilon), block.gate_up)
    gate, up = hidden.chunk(2, -1)
    return x + linear(silu(gate).mul_(up), block.down)


def _logits(model: Qwen2, x: torch.Tensor) -> torch.Tensor:
    """Logits of the next token, (rows, vocabulary), from the last block's output."""
    return linear(_normalize(x, model.architecture.epsilon), model.head)


def _read(model: Qwen2, prompts: list[list[int]], rotations: torch.Tensor) -> _Prompts:
    """One forward pass over the prompts."""
    n = len(prompts)
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    longest = int(lengths.max())
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    positions = torch.arange(longest) - (longest - lengths)[:, None]
    is_token = positions >= 0
    visible = visible_to_prompts(is_token)
    rotations = rotations[positions.clamp(min=0).flatten()]
    x, states = embedding(ids.flatten(), model.embedding), []
    for block in model.blocks:
        queries, new = _attention_input(model, block, x, rotations)
        new = new.unflatten(0, (n, longest)).permute(2, 0, 3, 1, 4)
        queries = queries.unflatten(0, (n, longest)).transpose(1, 2)
        x = _after_attention(model, block, x, attend(queries, new[0], new[1], visible))
        states.append(new)
    last = x.unflatten(0, (n, longest))[:, -1]
    mask = torch.zeros(n, 1, 1, longest).masked_fill_(~is_token[:, None, None], -torch.inf)
    return _Prompts(lengths, None if is_token.all() else mask, states, _logits(model, last))


class _Cache:
    """Keys and values of the rows, for each block (2, rows, KV heads, tokens, head size)."""

    def __init__(self, states: list[torch.Tensor], prompt: torch.Tensor, room: int) -> None:
        self.length = states[0].shape[3]
        self.width = self.length + room
        self.blocks = states
        self.keep(prompt)

    def keep(self, rows: torch.Tensor) -> None:
        """Keep the given rows, which may repeat."""
        for index, old in enumerate(self.blocks):
            two, _, heads, _, size = old.shape
            new = old.new_empty(two, len(rows), heads, self.width, size)
            new[:, :, :, : self.length] = old[:, :, :, : self.length].index_select(1, rows)
            self.blocks[index] = new


def _sample(
    model: Qwen2,
    read: _Prompts,
    prompt: torch.Tensor,
    rotations: torch.Tensor,
    parameters: SamplingParameters,
    generator: torch.Generator,
) -> list[list[int]]:
    """Sample one completion per row. prompt holds the index of each row's prompt, (rows,)."""
    shape, limit = model.architecture, parameters.max_new_tokens
    ends = torch.tensor(sorted(parameters.end_tokens))
    longest = read.states[0].shape[3]
    cache = _Cache(list(read.states), prompt, limit - 1)  # the last token is not fed to the model
    mask = None if read.mask is None else read.mask[prompt]
    logits, position = read.logits[prompt], read.lengths[prompt]
    rows = torch.arange(len(prompt))  # the completion of each row
    ended = torch.zeros(len(prompt), dtype=torch.bool)
    tokens = torch.full((len(prompt), limit), -1)
    for index in range(limit):
        token = draw_tokens(logits, parameters, generator)
        tokens[rows, index] = token.masked_fill(ended, -1)
        ended |= torch.isin(token, ends)
        n_ended = int(ended.sum())
        if n_ended == len(rows) or index + 1 == limit:
            break
        if n_ended >= ENDED_SHARE * len(rows):
            kept = (~ended).nonzero()[:, 0]
            cache.keep(kept)
            rows, position, token, ended = (x[kept] for x in (rows, position, token, ended))
            mask = None if mask is None else mask[kept]
        x, turned = embedding(token, model.embedding), rotations[position]
        cache.length += 1
        for block, states in zip(model.blocks, cache.blocks, strict=True):
            queries, new = _attention_input(model, block, x, turned)
            states[:, :, :, cache.length - 1] = new.transpose(0, 1)
            keys, values = states[:, :, :, : cache.length]
            grouped = queries.unflatten(1, (shape.kv_heads, -1))
            scores = grouped @ keys.transpose(-1, -2)
            if mask is not None:
                scores[..., :longest] += mask
            x = _after_attention(model, block, x, scores.softmax(-1) @ values)
        logits = _logits(model, x)
        position = position + 1
    return [[token for token in row if token >= 0] for row in tokens.tolist()]


@torch.inference_mode()
def fast_generate(
    model: Qwen2,
    prompts: list[list[int]],
    n_samples: int,
    parameters: SamplingParameters,
    generator: torch.Generator,
) -> list[list[int]]:
    """Sample n_samples completions of each prompt, as `model.generate.generate` does."""
    rotations = model.architecture.rotations(max(map(len, prompts)) + parameters.max_new_tokens)
    # Long prompts have long completions, so rows of similar prompts end at about the same step.
    by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    rows = [index for index in by_length for _ in range(n_samples)]
    completions: list[list[list[int]]] = [[] for _ in prompts]
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        distinct = list(dict.fromkeys(some))
        read = _read(model, [prompts[index] for index in distinct], rotations)
        prompt = torch.tensor([distinct.index(index) for index in some])
        sampled = _sample(model, read, prompt, rotations, parameters, generator)
        for index, completion in zip(some, sampled, strict=True):
            completions[index].append(completion)
    return [completion for group in completions for completion in group]
