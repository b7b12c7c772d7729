"""What SFT and RL set alike: batches and the optimizer, AdamW."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from workflow_scripts.settings.values import (
    Count,
    CountOrZero,
    NonNegative,
    NotABool,
    Positive,
    Section,
    require,
)

Beta = Annotated[float, Field(ge=0, lt=1), NotABool]


class Optimization(Section):
    """Batches and optimizer of a training stage."""

    batch_size: Count
    """Sequences per update: examples in SFT, completions in RL."""
    micro_batch_size: Count
    """Sequences per forward and backward pass. It divides batch_size; gradients are summed."""
    learning_rate: Positive
    """The highest learning rate, reached after the warm-up."""
    lr_schedule: Literal["constant", "linear", "cosine"]
    """The learning rate after the warm-up: constant, or falling to zero."""
    warmup_steps: CountOrZero
    """Updates over which the learning rate rises from zero."""
    weight_decay: NonNegative
    """AdamW's decoupled weight decay."""
    adam_beta2: Beta
    """AdamW's decay rate of the second moment."""
    max_grad_norm: Positive
    """Gradients are scaled down to this norm where they exceed it."""

    @model_validator(mode="after")
    def _micro_batches(self) -> "Optimization":
        allowed = f"a divisor of batch_size, which is {self.batch_size}"
        divides = self.batch_size % self.micro_batch_size == 0
        require(divides, "micro_batch_size", self.micro_batch_size, allowed)
        return self
