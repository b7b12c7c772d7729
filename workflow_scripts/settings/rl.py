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
    """GRPO with a reward for a correct final answer.

    Every step samples new rollouts (completions of prompts) and makes one update. batch_size counts
    completions: a step has batch_size / group_size prompts.
    """

    steps: Count
    """Number of RL steps."""
    group_size: Annotated[int, Field(ge=2), NotABool]
    """Completions per prompt (a group). Advantages are relative to the group's mean reward."""
    kl_coefficient: NonNegative
    """Weight of the KL term that keeps the model close to the SFT model (beta in TRL); 0: no KL
    term."""
    temperature: Positive
    """Sampling temperature of the rollouts."""
    top_p: Annotated[float, Field(gt=0, le=1), NotABool]
    """Nucleus sampling: the probability mass of the likeliest tokens that are kept; 1 keeps all
    tokens."""
    top_k: CountOrZero
    """Number of likeliest tokens that are kept in sampling; 0 keeps all tokens."""
    clip_epsilon: Positive
    """Clip range of the probability ratio between the updated and the sampling policy, around 1."""
    loss_type: Literal["grpo", "dr_grpo", "dapo"]
    """How the loss is averaged over tokens. The names are those of TRL."""
    scale_rewards: Literal["group", "batch", "none"]
    """The standard deviation that divides the advantages: of the group's rewards, of the batch's,
    or none."""
    max_new_tokens: Count
    """Maximum number of tokens of a completion, in RL and in every evaluation."""
    scored_steps: list[Count]
    """RL steps after which FB's runs of the main experiment also save their models, for exact
    evaluation."""

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
        """The number of prompts that a run uses, with repetitions."""
        return self.steps * self.batch_size // self.group_size


class RlSettings(RunSettings):
    """The settings that determine an RL run, apart from its seed, prompts and SFT model."""

    model: TrainedModel
    rl: Rl
