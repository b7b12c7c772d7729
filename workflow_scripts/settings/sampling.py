"""Section `sampling`: the rollouts on which models are evaluated."""

from typing import Literal

from workflow_scripts.settings.model import Compute
from workflow_scripts.settings.values import Count, Positive, Section, Seed


class PassAtK(Section):
    """The evaluation of pass@k: few problems, many samples."""

    n_problems: Count
    """Validation problems, spread over types and steps."""
    n_samples: Count
    """Samples of each problem; k goes up to this number in powers of two."""


class Decoding(Section):
    """How responses are sampled, in every evaluation."""

    temperature: Positive
    """Sampling temperature."""
    batch_size: Count
    """Rollouts that are sampled at once."""
    seed: Seed
    """Seed of the sampling seeds, of which every batch has its own."""


class Sampling(Decoding):
    """The rollouts on which models are evaluated."""

    validation: Literal["dev", "final"]
    """dev: the problems on which recipes are chosen; final: those of reported numbers."""
    n_samples: Count
    """Samples of each validation problem."""
    n_samples_checkpoint: Count
    """Samples of each validation problem, for models at rl.scored_steps."""
    pass_at_k: PassAtK
    """The evaluation of pass@k."""

    @property
    def decoding(self) -> Decoding:
        """What of this section decides the rollouts of an evaluation."""
        return Decoding(temperature=self.temperature, batch_size=self.batch_size, seed=self.seed)


class SamplingSettings(Section):
    """What defines an evaluation's rollouts besides the models and the problems."""

    model: Compute
    sampling: Decoding
    max_new_tokens: Count


class EvaluationSize(Section):
    """How much an evaluation samples."""

    n_samples: Count
    """Samples of each problem."""
    n_problems: Count | None = None
    """Problems, spread over the strata; all, if it is not set."""
