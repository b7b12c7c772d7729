"""Log-probabilities of given completions, by the faster of two implementations.

The fast code (model.fast_score) computes plain Qwen2 models, transformers all others. The class of
the model, which model.generate.load_to_sample chose, says which one is used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.nn.utils.rnn import pad_sequence

from workflow_scripts.model.fast_score import score_completions
from workflow_scripts.model.generate import Policy
from workflow_scripts.model.qwen2 import Qwen2

if TYPE_CHECKING:
    from workflow_scripts.model.store import LanguageModel

# Completions that are computed at once. transformers holds all their logits: with a vocabulary of
# 150,000 tokens, those of 8 completions of 300 tokens take 1.5 GB.
_FAST_ROWS, _REFERENCE_ROWS = 128, 8


@torch.no_grad()
def log_probabilities(
    model: Policy, prompts: list[list[int]], completions: list[list[int]], temperature: float
) -> list[torch.Tensor]:
    """The log-probability of each token of each completion, given its prompt. No gradients.

    completions[i] follows prompts[i]. Both are lists of token ids, and none is empty. The
    probabilities are those of sampling at the given temperature. Returns one float64 tensor on the
    CPU for each completion.
    """
    score: Callable[[torch.Tensor, torch.Tensor, int, float], torch.Tensor]
    if isinstance(model, Qwen2):
        score, n_rows = partial(_fast, model), _FAST_ROWS
    else:
        score, n_rows = partial(_reference, model), _REFERENCE_ROWS
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row] + completions[row]))
    scores: dict[int, torch.Tensor] = {}
    for start in range(0, len(order), n_rows):
        rows = order[start : start + n_rows]
        left = _padded([prompts[row] for row in rows], "left")
        ids = torch.cat([left, _padded([completions[row] for row in rows], "right")], 1)
        mask = ids >= 0
        scored = score(ids.clamp(min=0), mask.long(), left.shape[1], temperature)
        for row, values in zip(rows, scored.cpu().double(), strict=True):
            scores[row] = values[: len(completions[row])]
    return [scores[row] for row in range(len(prompts))]


def _padded(rows: list[list[int]], side: str) -> torch.Tensor:
    """Token ids of shape (rows, columns), with -1 as padding."""
    return pad_sequence([torch.tensor(row) for row in rows], True, -1, side)


def _fast(
    model: Qwen2, ids: torch.Tensor, mask: torch.Tensor, n_prompt: int, temperature: float
) -> torch.Tensor:
    return score_completions(model, ids, mask, n_prompt, temperature)[0]


def _reference(
    model: LanguageModel, ids: torch.Tensor, mask: torch.Tensor, n_prompt: int, temperature: float
) -> torch.Tensor:
    ids, mask = ids.to(model.device), mask.to(model.device)
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        logits_to_keep=ids.shape[1] - n_prompt + 1,
    )
    logps = (output.logits[:, :-1].float() / temperature).log_softmax(-1)
    return logps.gather(2, ids[:, n_prompt:, None])[..., 0]
