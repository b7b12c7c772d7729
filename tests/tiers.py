"""The settings of the tiers as their files have them, for tests of what needs no plan."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import update_config

from workflow_scripts.settings.study import StudySettings

_CONFIG = Path(__file__).parents[1] / "config"


@cache
def _read(name: str) -> dict[str, Any]:
    return yaml.safe_load((_CONFIG / f"{name}.yaml").read_text())


def load_settings(tier: str) -> StudySettings:
    """What the experiments of a tier share; config/default.yaml is the laptop tier."""
    merged = deepcopy(_read("default"))
    if tier != "laptop":
        update_config(merged, _read(tier))
    del merged["experiments"]
    return StudySettings.model_validate(merged)
