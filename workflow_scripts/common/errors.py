"""Errors that are told in one line: what is wrong, where, and how to mend it."""

from typing import Any


class StudyError(Exception):
    """A fault of input: a configuration, a file, the machine."""


class Temporary(StudyError):
    """A fault that may be gone at the next try: a full disk, a run that was asked to stop."""


class SettingError(ValueError):
    """A setting whose value is not allowed.

    key is dotted and relative to the section that refuses the value; allowed says what may stand
    there instead.
    """

    def __init__(self, key: str, value: Any, allowed: str) -> None:
        super().__init__(f"{key}: {value}: {allowed}")
        self.key, self.value, self.allowed = key, value, allowed
