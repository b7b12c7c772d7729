"""The settings that SFT and RL share: batches and the AdamW optimizer."""

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
    """Sequences per forward and backward pass, a divisor of batch_size. Gradients accumulate over
    the passes of an update."""
    learning_rate: Positive
    """Peak learning rate, reached at the end of the warm-up."""
    lr_schedule: Literal["constant", "linear", "cosine"]
    """Learning rate after the warm-up: constant, or falling to zero linearly or as a cosine."""
    warmup_steps: CountOrZero
    """Number of updates over which the learning rate rises linearly from zero."""
    weight_decay: NonNegative
    """AdamW's decoupled weight decay."""
    adam_beta2: Beta
    """AdamW's decay rate of the second-moment estimate."""
    max_grad_norm: Positive
    """Gradient clipping: a gradient with a larger norm is scaled down to this norm."""

    @model_validator(mode="after")
    def _micro_batches(self) -> "Optimization":
        allowed = f"a divisor of batch_size, which is {self.batch_size}"
        divides = self.batch_size % self.micro_batch_size == 0
        require(divides, "micro_batch_size", self.micro_batch_size, allowed)
        return self
