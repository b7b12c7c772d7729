"""What the sections are made of: kinds of numbers, ranges, and how a value is refused."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from workflow_scripts.common.errors import SettingError


def _not_a_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("input should be a valid number, not yes or no")
    return value


# pydantic takes yes for 1. It stands last, so that the bounds before it are part of the schema.
NotABool = BeforeValidator(_not_a_bool)
Count = Annotated[int, Field(ge=1), NotABool]
CountOrZero = Annotated[int, Field(ge=0), NotABool]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1), NotABool]  # as torch and numpy take them
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), NotABool]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), NotABool]
Share = Annotated[float, Field(ge=0, le=1), NotABool]


def _in_hundredths_of_a_percent(value: float) -> float:
    if round(value, 4) != value:
        raise ValueError("at most four decimals, since names of runs and data hold it")
    return value


NamedShare = Annotated[Share, AfterValidator(_in_hundredths_of_a_percent)]


def _distinct(values: list[Any]) -> list[Any]:
    if any(value in values[:index] for index, value in enumerate(values)):
        raise ValueError("values that differ from each other")
    return values


Distinct = AfterValidator(_distinct)


class Section(BaseModel):
    """A section of the configuration. It is not strict: --config hands over strings."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def require(condition: bool, key: str, value: object, allowed: str) -> None:
    """Raise SettingError unless the condition holds."""
    if not condition:
        raise SettingError(key, value, allowed)


class Range(Section):
    """The whole numbers from low to high, both included."""

    low: Count
    """The first number."""
    high: Count
    """The last number."""

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        require(self.low <= self.high, "low", self.low, f"at most high, which is {self.high}")
        return self

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"

    def values(self) -> tuple[int, ...]:
        """The numbers in order."""
        return tuple(range(self.low, self.high + 1))

    def holds(self, other: "Range") -> bool:
        """Whether every number of the other range lies in this one."""
        return self.low <= other.low and other.high <= self.high


def single(value: int) -> Range:
    """The range of one number."""
    return Range(low=value, high=value)
