"""Errors whose message is one line: what is wrong, where, and how to mend it."""

from typing import Any


class StudyError(Exception):
    """A fault that the user can mend: in the configuration, in a file, or of the machine."""


class Temporary(StudyError):
    """A fault that another try may not meet: a full disk, a run that was asked to stop."""


class SettingError(ValueError):
    """A setting whose value is not allowed.

    key is dotted and relative to the section that refuses the value; allowed says which values
    are possible.
    """

    def __init__(self, key: str, value: Any, allowed: str) -> None:
        super().__init__(f"{key}: {value}: {allowed}")
        self.key, self.value, self.allowed = key, value, allowed
