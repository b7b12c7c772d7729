"""Settings with some values replaced."""

from collections.abc import Mapping
from typing import Any, TypeVar

from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import require

S = TypeVar("S", bound=StudySettings)


def override(settings: S, changes: Mapping[str, Any]) -> S:
    """The settings with some values replaced, validated again.

    changes maps dotted keys to new values. Raises ValueError (pydantic's, or SettingError) if a
    value is not allowed or a key does not exist.
    """
    values = settings.model_dump()
    for key, value in changes.items():
        *sections, last = key.split(".")
        section: Any = values
        for name in sections:
            section = section.get(name) if isinstance(section, dict) else None
        is_there = isinstance(section, dict) and last in section
        require(is_there, key, value, "a key of the configuration")
        section[last] = value
    return type(settings).model_validate(values)
