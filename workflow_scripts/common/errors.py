"""Errors with a one-line message: the fault, its place, and how to fix it."""

from typing import Any


class StudyError(Exception):
    """A fault that the user can fix: in the configuration, in a file, or on the machine."""


class Temporary(StudyError):
    """A fault that may be gone at the next attempt: a full disk, or a run stopped by a signal."""


class SettingError(ValueError):
    """A setting has a value that is not allowed.

    key is the setting's dotted key, relative to the section whose check failed. allowed describes
    the allowed values.
    """

    def __init__(self, key: str, value: Any, allowed: str) -> None:
        super().__init__(f"{key}: {value}: {allowed}")
        self.key, self.value, self.allowed = key, value, allowed
