"""Settings with some values changed."""

from collections.abc import Mapping
from typing import Any, TypeVar

from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import require

S = TypeVar("S", bound=StudySettings)


def override(settings: S, changes: Mapping[str, Any]) -> S:
    """The settings with some dotted keys changed, validated again.

    Raises ValueError (of pydantic, or SettingError) for a value that is not allowed, and for a key
    that is not there.
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
