"""Section `statistics`: the confidence level of all intervals."""

from typing import Annotated

from pydantic import Field

from workflow_scripts.settings.values import Section


class Statistics(Section):
    """The intervals of all estimates."""

    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Confidence level of the intervals."""
