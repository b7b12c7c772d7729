"""TRL's GRPOTrainer without the work that cannot change an update.

- A group of equal rewards has advantage 0: without a KL term its completions have no gradient, and
  are left out of the update's forward and backward pass.
- Completions of similar length are scored together, so that little of a batch is padding.

Loss and gradient are those of GRPOTrainer up to rounding, which tests hold: in one process, for the
losses of the table below, without entropy bonus or quantile. What TRL logs besides the loss
(entropy, clipped ratios) is then a mean over the completions that are left.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import pad
from transformers import PreTrainedModel
from trl import GRPOTrainer

_ROWS = 32  # scored together on a CPU; more do not fit a core's cache

# How each loss that the configuration offers averages. TRL divides a sum over tokens by a number
# that depends on the completions it is given; the function returns that number, up to a factor that
# is the same for all completions of an update, from their mask of shape (completions, tokens).
DENOMINATORS: dict[str, Callable[[torch.Tensor], float]] = {
    "grpo": len,  # completions; each has first been averaged over its own tokens
    "dr_grpo": len,  # completions, times the limit of tokens
    "dapo": lambda mask: 1.0,  # tokens of the whole update, which TRL counts beforehand
}


class LeanGRPOTrainer(GRPOTrainer):
    """A GRPOTrainer whose updates cost less and are the same; see the module's text."""

    def _compute_loss(
        self, model: PreTrainedModel, inputs: dict[str, torch.Tensor | Any]
    ) -> torch.Tensor:
        weighted = inputs["advantages"] != 0
        if self.beta or weighted.all():
            return super()._compute_loss(model, inputs)
        weighted[0] |= ~weighted.any()  # an update by momentum alone needs a gradient of zeros
        rows = {
            name: value[weighted] if torch.is_tensor(value) and value.ndim else value
            for name, value in inputs.items()
        }
        loss = super()._compute_loss(model, rows)
        denominator = DENOMINATORS[self.loss_type]
        kept, all_ = (denominator(some["completion_mask"]) for some in (rows, inputs))
        return loss * (kept / all_)

    def _get_per_token_logps_and_entropies(
        self,
        model: PreTrainedModel,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **options: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        """Log-probabilities and entropies as in TRL, (rows, logits_to_keep); padding has 0."""
        n_prompt = input_ids.shape[1] - logits_to_keep
        prompts = attention_mask[:, :n_prompt].sum(1)
        completions = attention_mask[:, n_prompt:].sum(1)
        order = (prompts + completions).argsort(stable=True)
        n_rows = _ROWS if input_ids.device.type == "cpu" else len(order)
        scored = []
        for rows in order.split(batch_size or n_rows):
            width = int(completions[rows].max())
            columns = slice(n_prompt - int(prompts[rows].max()), n_prompt + width)
            *values, _ = super()._get_per_token_logps_and_entropies(
                model,
                input_ids[rows, columns],
                attention_mask[rows, columns],
                width,
                **options,
            )
            scored.append(
                [
                    value if value is None else pad(value, (0, logits_to_keep - width))
                    for value in values
                ]
            )
        back = order.argsort()
        logps, entropies = (
            None if values[0] is None else torch.cat(values)[back]
            for values in zip(*scored, strict=True)
        )
        assert logps is not None  # TRL always computes them
        return logps, entropies, None
