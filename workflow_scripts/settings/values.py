"""Building blocks of the settings sections: number types, ranges, and the check of a value."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from workflow_scripts.common.errors import SettingError


def _not_a_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("input should be a valid number, not yes or no")
    return value


# pydantic would accept yes as 1. NotABool comes after Field in the types below, so that the bounds
# of Field are part of the JSON schema.
NotABool = BeforeValidator(_not_a_bool)
Count = Annotated[int, Field(ge=1), NotABool]
CountOrZero = Annotated[int, Field(ge=0), NotABool]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1), NotABool]  # the range that numpy accepts
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), NotABool]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), NotABool]
Share = Annotated[float, Field(ge=0, le=1), NotABool]


def _in_hundredths_of_a_percent(value: float) -> float:
    if round(value, 4) != value:
        raise ValueError("at most four decimals, since names of runs and data hold it")
    return value


# A share that names of runs and data sets contain, in percent.
NamedShare = Annotated[Share, AfterValidator(_in_hundredths_of_a_percent)]


def _distinct(values: list[Any]) -> list[Any]:
    if any(value in values[:index] for index, value in enumerate(values)):
        raise ValueError("values that differ from each other")
    return values


Distinct = AfterValidator(_distinct)


class Section(BaseModel):
    """A section of the configuration. Strings are converted, because --config passes strings."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def require(condition: bool, key: str, value: object, allowed: str) -> None:
    """Raise SettingError unless the condition holds."""
    if not condition:
        raise SettingError(key, value, allowed)


class Range(Section):
    """The whole numbers from low to high, both included."""

    low: Count
    """The smallest number."""
    high: Count
    """The largest number."""

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        require(self.low <= self.high, "low", self.low, f"at most high, which is {self.high}")
        return self

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"

    def values(self) -> tuple[int, ...]:
        """All numbers of the range, in ascending order."""
        return tuple(range(self.low, self.high + 1))

    def holds(self, other: "Range") -> bool:
        """Whether this range contains every number of the other range."""
        return self.low <= other.low and other.high <= self.high


def single(value: int) -> Range:
    """The range that contains only value."""
    return Range(low=value, high=value)
