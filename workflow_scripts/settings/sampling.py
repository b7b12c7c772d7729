"""Section `sampling`: the rollouts (sampled responses) on which models are evaluated."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from workflow_scripts.settings.model import Compute
from workflow_scripts.settings.values import Count, Distinct, Positive, Section, Seed, require


class PassAtK(Section):
    """The evaluation of pass@k (at least 1 of k samples is right): few problems, many samples."""

    n_problems: Count
    """Number of validation problems, spread over problem types and numbers of steps. They have more
    steps than the problems of SFT."""
    n_samples: Count
    """Number of samples per problem. k takes the powers of two up to this number."""


class Decoding(Section):
    """How responses are sampled, in every evaluation."""

    temperature: Positive
    """Sampling temperature."""
    batch_size: Count
    """Number of responses that share a sampling seed. Transformers also samples them at once."""
    seed: Seed
    """Seed from which each batch's own sampling seed is derived."""


class Sampling(Decoding):
    """The rollouts (sampled responses) on which models are evaluated."""

    validation: Literal["dev", "confirm"]
    """The validation set. dev: for choosing recipes; confirm: for reported numbers."""
    n_samples: Count
    """Number of samples per validation problem."""
    exact_temperatures: Annotated[list[Positive], Field(min_length=1), Distinct]
    """Temperatures at which the exact measures of models are computed (see evaluate/exact.py)."""
    pass_at_k: PassAtK
    """The evaluation of pass@k."""

    @model_validator(mode="after")
    def _measures_what_it_samples(self) -> "Sampling":
        allowed = f"a list with sampling.temperature, which is {self.temperature}"
        has = self.temperature in self.exact_temperatures
        require(has, "exact_temperatures", self.exact_temperatures, allowed)
        return self

    @property
    def decoding(self) -> Decoding:
        """The settings of this section that determine how a response is sampled."""
        return Decoding(temperature=self.temperature, batch_size=self.batch_size, seed=self.seed)


class SamplingSettings(Section):
    """The settings that determine an evaluation's rollouts, apart from models and problems."""

    model: Compute
    sampling: Decoding
    max_new_tokens: Count


class ExactSettings(Section):
    """The settings of exact measures (see evaluate.exact), apart from models and problems."""

    model: Compute
    temperatures: list[Positive]


class EvaluationSize(Section):
    """The number of problems and samples of an evaluation.

    A stratum is the problems of one type and number of steps, or of one number of parts.
    """

    n_samples: Count
    """Number of samples per problem."""
    n_problems: Count | None = None
    """Number of problems, spread over the strata. If not set, all problems are used."""
    longer_than: int = 0
    """Only problems with more steps than this number are used."""
