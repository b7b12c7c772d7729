"""TRL's GRPOTrainer without computations that cannot change an update.

- If all completions of a group get the same reward, their advantage is 0. Without a KL term, these
  completions contribute no gradient, so they are left out of the forward and backward passes.
- Log-probabilities of a plain model are computed by model.fast_score. Those of other models are
  computed in batches of completions of similar length, to reduce padding.

Loss and gradient equal those of GRPOTrainer up to rounding. Tests check this for a single process,
for the losses in train.losses, without TRL's entropy bonus and entropy quantile. Other metrics
that TRL logs (entropy, clipped ratios) are then means over the remaining completions.
"""

from typing import Any

import torch
from torch.nn.functional import pad
from transformers import PreTrainedModel
from trl import GRPOTrainer

from workflow_scripts.model.fast_score import score_completions
from workflow_scripts.model.generate import fold_if_plain
from workflow_scripts.train.losses import LOSSES, Inputs

_ROWS = 32  # completions per batch on a CPU; larger batches exceed a core's cache


class LeanGRPOTrainer(GRPOTrainer):
    """A GRPOTrainer that makes the same updates with less work; see the module's docstring."""

    def _compute_loss(self, model: PreTrainedModel, inputs: Inputs) -> torch.Tensor:
        """The loss of a batch, by the function of rl.loss_type in train.losses."""
        return LOSSES[self.loss_type](self, model, inputs)

    def _get_per_token_logps_and_entropies(
        self,
        model: PreTrainedModel,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **options: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        """Log-probabilities and entropies as in TRL, each of shape (rows, logits_to_keep).

        Values at padding are 0. A plain model is computed by model.fast_score, every other model
        by transformers, in batches of rows of similar length.
        """
        n_prompt = input_ids.shape[1] - logits_to_keep
        # Several processes add up their gradients in the wrapped model's forward pass.
        if self.accelerator.num_processes == 1:
            plain = fold_if_plain(self.accelerator.unwrap_model(model), self.args.bf16)
            if plain is not None:
                scores = score_completions(
                    plain, input_ids, attention_mask, n_prompt, self.temperature
                )
                return *scores, None
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
        assert logps is not None  # TRL always returns log-probabilities
        return logps, entropies, None
