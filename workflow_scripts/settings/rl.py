"""Section `rl`: reinforcement learning with GRPO."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from workflow_scripts.settings.model import RunSettings, TrainedModel
from workflow_scripts.settings.optimization import Optimization
from workflow_scripts.settings.values import (
    Count,
    CountOrZero,
    NonNegative,
    NotABool,
    Positive,
    require,
)


class Rl(Optimization):
    """GRPO on problems whose answer decides the reward. Every step updates once, on fresh rollouts.

    batch_size counts completions: a step has batch_size / group_size prompts.
    """

    steps: Count
    """RL steps."""
    group_size: Annotated[int, Field(ge=2), NotABool]
    """Completions per prompt. Advantages are relative to the group's mean reward."""
    kl_coefficient: NonNegative
    """Weight of the KL term against the SFT model (beta in TRL); 0 leaves it out."""
    temperature: Positive
    """Sampling temperature of the rollouts."""
    top_p: Annotated[float, Field(gt=0, le=1), NotABool]
    """Nucleus sampling: the probability mass that is kept; 1 keeps all."""
    top_k: CountOrZero
    """How many of the likeliest tokens are kept in sampling; 0 keeps all."""
    clip_epsilon: Positive
    """The clip range of the probability ratio."""
    loss_type: Literal["grpo", "dr_grpo", "dapo"]
    """How the loss is averaged over tokens, as TRL names it."""
    scale_rewards: Literal["group", "batch", "none"]
    """Whose standard deviation divides the advantages."""
    max_new_tokens: Count
    """The most tokens of a completion, in RL and in every evaluation."""
    scored_steps: list[Count]
    """RL steps after which the model of a main run is kept and evaluated as well."""

    @model_validator(mode="after")
    def _groups(self) -> "Rl":
        allowed = f"a divisor of batch_size, which is {self.batch_size}"
        require(self.batch_size % self.group_size == 0, "group_size", self.group_size, allowed)
        allowed = f"steps below rl.steps, which is {self.steps}"
        last = max(self.scored_steps, default=0)
        require(last < self.steps, "scored_steps", self.scored_steps, allowed)
        return self

    @property
    def n_prompts(self) -> int:
        """How many prompts a run takes, repetitions counted."""
        return self.steps * self.batch_size // self.group_size


class RlSettings(RunSettings):
    """What defines an RL run besides its seed, its prompts and its SFT model."""

    model: TrainedModel
    rl: Rl
