"""Readable names of settings and of their values, for tables and figures."""

from collections.abc import Sequence
from typing import Any

_WORDS = {"kl": "KL", "sft": "SFT", "rl": "RL"}


def setting_name(key: str) -> str:
    """The name of a setting by its dotted key: ``rl.kl_coefficient`` is ``RL KL coefficient``."""
    words = key.replace(".", " ").replace("_", " ").split()
    return " ".join(_WORDS.get(word, word) for word in words)


def value_names(values: Sequence[Any]) -> list[str]:
    """The values of one setting as texts: all with an exponent if one of them needs it."""
    numbers = [each for each in values if isinstance(each, int | float)]
    exponent = any(0 < abs(number) < 0.001 for number in numbers)
    return [_name(each, exponent) for each in values]


def _name(value: Any, exponent: bool) -> str:
    """0.00015 with an exponent is 1.5e-4."""
    if not isinstance(value, int | float):
        return str(value)
    if not exponent or value == 0:
        return f"{value:g}"
    digits, _, power = f"{value:e}".partition("e")
    return f"{float(digits):g}e{int(power)}"
