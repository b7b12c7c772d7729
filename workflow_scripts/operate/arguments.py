"""Types of numbers on command lines, for argparse."""


def positive(text: str) -> float:
    """A number above 0. Raises ValueError for any other text."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def count(text: str) -> int:
    """A whole number, at least 1. Raises ValueError for any other text."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value
