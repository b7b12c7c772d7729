"""What both decode loops share: how tokens are drawn from logits, when ended rows are removed."""

from dataclasses import dataclass

import torch

from workflow_scripts.common.errors import StudyError

# Ended rows are removed once they make up this share of the batch. Each removal copies the cache,
# so removing every row at once would take longer.
ENDED_SHARE = 0.25


@dataclass(frozen=True)
class SamplingParameters:
    """How tokens are sampled, and when a completion ends."""

    max_new_tokens: int
    end_tokens: frozenset[int]
    temperature: float
    top_k: int = 0
    """Number of likeliest tokens that are kept; 0 keeps all tokens."""
    top_p: float = 1.0
    """Nucleus sampling: the probability mass of the likeliest tokens that are kept; 1 keeps all."""


def make_generator(device: str | torch.device) -> torch.Generator:
    """A random number generator for draw_tokens, for a model on a device.

    Apple's GPU has no float64, so the tokens of its models are drawn on the CPU.
    """
    device = torch.device(device)
    return torch.Generator("cpu" if device.type == "mps" else device)


def draw_tokens(
    logits: torch.Tensor, parameters: SamplingParameters, generator: torch.Generator
) -> torch.Tensor:
    """Draw one token id per row, shape (rows,), from logits of shape (rows, vocabulary).

    The tokens are drawn on the generator's device, and returned on that of the logits. A uniform
    number is looked up in the cumulative probabilities (inverse transform sampling). They are
    summed in float64, so that no token's share is lost in the sum. Raises StudyError if logits are
    not finite, as of a model whose training diverged.
    """
    device = logits.device
    logits = logits.to(generator.device).float() / parameters.temperature
    if parameters.top_k:
        floor = logits.topk(min(parameters.top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < floor, -torch.inf)
    probabilities = logits.softmax(-1)
    if parameters.top_p < 1:
        ordered, order = probabilities.sort(descending=True)
        outside = ordered.cumsum(-1) - ordered >= parameters.top_p
        probabilities = torch.zeros_like(ordered).scatter(
            -1, order, ordered.masked_fill(outside, 0)
        )
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    if not cumulative[:, -1].isfinite().all():
        raise StudyError(
            "the model's logits are not finite: its training diverged; lower the learning rate"
        )
    uniform = torch.rand(
        len(logits), 1, dtype=torch.float64, device=logits.device, generator=generator
    )
    # The sum is 1 only up to rounding. uniform is below 1, so a token of probability 0 is never
    # drawn: no entry equal to the one before it is the first that exceeds the number.
    return torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)[:, 0].to(device)
