"""Section `base`: small base models, trained from scratch in place of pre-trained models."""

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
    """The probability of each kind of document. model.corpus describes the kinds."""

    facts: Share
    """Single operations, such as e3 + e4 = e7."""
    comparisons: Share
    """Pairs of values, and whether the two values are equal."""
    lines: Share
    """A program, and worked lines (written calculations) of single steps of the program."""
    lists: Share
    """A program, and its worked lines between two variables, with blanks for the values."""
    walks: Share
    """The prompt of a composition (a problem of several parts), and the worked lines of one part,
    with blanks for the values."""
    checks: Share
    """A prompt, and for single worked lines whether the result is the known value."""
    links: Share
    """The prompt of a composition, and lines that pass a value on to the next part."""


class Corpus(Section):
    """The base corpus: random documents. Every update uses new documents."""

    shares: CorpusShares
    """The probability of each kind of document."""
    program_steps: Count
    """Maximum number of steps of a program."""
    heldout_documents: Count
    """Number of new documents on which the trained base model is evaluated."""


class Base(Section):
    """A small Qwen2 model that is trained from scratch on the base corpus."""

    hidden_size: Count
    """Width of the residual stream."""
    layers: Count
    """Number of transformer layers."""
    heads: Count
    """Number of attention heads, a divisor of hidden_size."""
    mlp_size: Count
    """Width of the MLP."""
    initializer_range: Positive
    """Standard deviation of the initial weights."""
    steps: Count
    """Number of updates."""
    batch_size: Count
    """Documents per update."""
    learning_rate: Positive
    """Peak learning rate, reached at the end of the warm-up. The learning rate then falls linearly
    to zero."""
    warmup_steps: CountOrZero
    """Number of updates over which the learning rate rises linearly from zero."""
    weight_decay: NonNegative
    """AdamW's decoupled weight decay."""
    adam_beta2: Beta
    """AdamW's decay rate of the second-moment estimate."""
    seed: Seed
    """Seed of the initial weights and of the corpus."""
    corpus: Corpus
    """The documents that the base model is trained on."""

    @model_validator(mode="after")
    def _heads(self) -> "Base":
        allowed = f"a divisor of hidden_size, which is {self.hidden_size}"
        require(self.hidden_size % self.heads == 0, "heads", self.heads, allowed)
        return self


class BaseSettings(RunSettings):
    """The settings that determine a base model."""

    task: BaseTask
    base: Base
