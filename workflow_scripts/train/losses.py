"""The losses of RL, by their names in the configuration (`rl.loss_type`). A loss is one function.

Those of LOSSES are TRL's, computed without the completions that contribute no gradient.
docs/extending.md shows how to add a loss that TRL does not have.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel
from trl import GRPOTrainer

# What TRL hands to a loss. prompt_ids, prompt_mask, completion_ids and completion_mask have shape
# (completions, tokens), and advantages has shape (completions,). With a KL term,
# ref_per_token_logps has the reference model's log-probabilities of the completions.
Inputs = dict[str, torch.Tensor | Any]

# The loss of a micro-batch, as a scalar with a gradient. An update adds up the gradients of
# trainer.current_gradient_accumulation_steps micro-batches.
Loss = Callable[[GRPOTrainer, PreTrainedModel, Inputs], torch.Tensor]


def of_trl(denominator: Callable[[torch.Tensor], float]) -> Loss:
    """TRL's loss of the trainer's loss_type, computed without the completions of advantage 0.

    TRL sums over tokens and divides by a number that depends on the completions in the batch.
    denominator computes that number from the completion mask of shape (completions, tokens), up to
    a factor that is constant within an update.
    """

    def loss(trainer: GRPOTrainer, model: PreTrainedModel, inputs: Inputs) -> torch.Tensor:
        weighted = inputs["advantages"] != 0
        if trainer.beta or weighted.all():
            return GRPOTrainer._compute_loss(trainer, model, inputs)
        # Keep one completion if all advantages are 0: the optimizer still needs a gradient (of
        # zeros), because its momentum changes the weights.
        weighted[0] |= ~weighted.any()
        rows = {
            name: value[weighted] if torch.is_tensor(value) and value.ndim else value
            for name, value in inputs.items()
        }
        kept, all_ = (denominator(some["completion_mask"]) for some in (rows, inputs))
        return GRPOTrainer._compute_loss(trainer, model, rows) * (kept / all_)

    return loss


LOSSES: dict[str, Loss] = {
    "grpo": of_trl(len),  # the number of completions; TRL first averages each over its own tokens
    "dr_grpo": of_trl(len),  # the number of completions; the constant factor is the token limit
    "dapo": of_trl(lambda mask: 1.0),  # constant: the number of tokens in the whole update
}
