"""The settings that say what is solved: section `task` of the configuration."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from workflow_scripts.common.errors import SettingError
from workflow_scripts.task.field import make_field
from workflow_scripts.task.text import FORMS, Form

_MOST_SYMBOLS = 10_000  # task.text reads e0 .. e9999 and x0 .. x9999


@dataclass(frozen=True)
class BaseTask:
    """What of a task decides the corpus of its base model (see model.corpus)."""

    field_size: int
    n_variables: int
    asks: Literal["last", "any"]


@dataclass(frozen=True)
class Task:
    """What is solved: arithmetic programs over the field GF(field_size)."""

    field_size: int
    """Number of elements of the field, a prime."""
    n_variables: int
    """How many variable names there are, x0 to x{n_variables - 1}. A program starts at a random
    one."""
    field_map: Literal["hidden", "prompt"]
    """hidden: which symbol stands for which number is never stated and has to be learnt; prompt:
    every prompt states it."""
    text: Literal["compact", "natural"]
    """compact: the fewest words, for a model trained from scratch; natural: sentences, for an
    instruction-tuned model."""
    response_words: int
    """The longest response that SFT shows, in words. It bounds how many guesses fit into a response
    by guess and check."""
    asks: Literal["last", "any"]
    """Which part of a prompt is asked for, if it has several: the last, or any one of them."""

    # How pydantic reads this section; it is not needed otherwise.
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
        """The words in which prompts and responses are written."""
        return FORMS[self.text]

    @property
    def for_base(self) -> BaseTask:
        """What of this task decides its base model."""
        return BaseTask(self.field_size, self.n_variables, self.asks)


def _require(condition: bool, key: str, value: object, allowed: str) -> None:
    if not condition:
        raise SettingError(key, value, allowed)
