"""The settings of the problems and their texts: section `task` of the configuration."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from workflow_scripts.common.errors import SettingError
from workflow_scripts.task.field import make_field
from workflow_scripts.task.text import FORMS, Form

_MOST_SYMBOLS = 10_000  # task.text parses at most e0 .. e9999 and x0 .. x9999


@dataclass(frozen=True)
class BaseTask:
    """The task settings that determine the training corpus of a base model (see model.corpus)."""

    field_size: int
    n_variables: int
    asks: Literal["last", "any"]


@dataclass(frozen=True)
class Task:
    """The problems (arithmetic programs over the field GF(field_size)) and their texts."""

    field_size: int
    """Number of elements of the field, a prime."""
    n_variables: int
    """Number of variable names, x0 to x{n_variables - 1}. A program starts at a random variable."""
    field_map: Literal["hidden", "prompt"]
    """Whether prompts state the number behind each symbol e0, e1, and so on. hidden: no prompt
    states the numbers, so that a model has to learn them; prompt: every prompt states them."""
    text: Literal["compact", "natural"]
    """compact: as few words as possible, for a model trained from scratch; natural: English
    sentences, for an instruction-tuned model."""
    response_words: int
    """Maximum length of a response in SFT data, in words. The limit bounds the number of guesses in
    a guess-and-check response: guess a value, work through the program, compare, guess again."""
    asks: Literal["last", "any"]
    """The part that a prompt of several parts asks for. last: the last part; any: any one part."""

    # Read by pydantic when it validates this section of the configuration.
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    def __post_init__(self) -> None:
        _require(self.field_size <= _MOST_SYMBOLS, "field_size", self.field_size, "at most 10000")
        try:
            make_field(self.field_size)
        except ValueError as error:
            raise SettingError("field_size", self.field_size, f"a prime ({error})") from None
        in_range = 1 <= self.n_variables <= _MOST_SYMBOLS
        _require(in_range, "n_variables", self.n_variables, "a number from 1 to 10000")
        _require(self.response_words >= 1, "response_words", self.response_words, "at least 1")

    @property
    def form(self) -> Form:
        """The text form in which prompts and responses are written."""
        return FORMS[self.text]

    @property
    def for_base(self) -> BaseTask:
        """The settings of this task that determine the base model."""
        return BaseTask(self.field_size, self.n_variables, self.asks)


def _require(condition: bool, key: str, value: object, allowed: str) -> None:
    """Raise SettingError unless the condition holds."""
    if not condition:
        raise SettingError(key, value, allowed)
