"""Section `base`: the base models that are trained from scratch, in place of pre-training."""

from pydantic import model_validator

from workflow_scripts.settings.model import RunSettings
from workflow_scripts.settings.optimization import Beta
from workflow_scripts.settings.values import (
    Count,
    CountOrZero,
    NonNegative,
    Positive,
    Section,
    Seed,
    Share,
    require,
)
from workflow_scripts.task.task import BaseTask


class CorpusShares(Section):
    """The probability of each kind of document; model.corpus describes the kinds."""

    facts: Share
    """Single operations."""
    comparisons: Share
    """Two values, and whether they are the same."""
    lines: Share
    """A program, and single worked lines of it."""
    lists: Share
    """A program, and its lines from one variable to another, with blanks for the values."""
    walks: Share
    """The prompt of a composition, and such lines over one of its parts."""
    checks: Share
    """A prompt, and whether single lines arrive at the known value."""
    links: Share
    """The prompt of a composition, and lines that hand a value to the next part."""


class Corpus(Section):
    """The base corpus. It is endless: every step sees new documents."""

    shares: CorpusShares
    """The probability of each kind of document."""
    program_steps: Count
    """The most steps of a program."""
    heldout_documents: Count
    """Documents on which the base model is scored."""


class Base(Section):
    """A small Qwen2 that is trained from scratch on the base corpus."""

    hidden_size: Count
    """Width of the residual stream."""
    layers: Count
    """Transformer layers."""
    heads: Count
    """Attention heads; they divide hidden_size."""
    mlp_size: Count
    """Width of the MLP."""
    initializer_range: Positive
    """Standard deviation of the initial weights."""
    steps: Count
    """Updates."""
    batch_size: Count
    """Documents per update."""
    learning_rate: Positive
    """The highest learning rate, reached after the warm-up; it then falls linearly to zero."""
    warmup_steps: CountOrZero
    """Updates over which the learning rate rises from zero."""
    weight_decay: NonNegative
    """AdamW's decoupled weight decay."""
    adam_beta2: Beta
    """AdamW's decay rate of the second moment."""
    seed: Seed
    """Seed of the initial weights and of the corpus."""
    corpus: Corpus
    """What it is trained on."""

    @model_validator(mode="after")
    def _heads(self) -> "Base":
        allowed = f"a divisor of hidden_size, which is {self.hidden_size}"
        require(self.hidden_size % self.heads == 0, "heads", self.heads, allowed)
        return self


class BaseSettings(RunSettings):
    """What defines a base model."""

    task: BaseTask
    base: Base
