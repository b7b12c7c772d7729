"""Section `statistics`: the bootstrap."""

from typing import Annotated

from pydantic import Field

from workflow_scripts.settings.values import Count, Section, Seed


class Statistics(Section):
    """The bootstrap behind every interval."""

    bootstrap_resamples: Count
    """Resamples behind each interval."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Coverage of the intervals."""
    seed: Seed
    """Seed of the resamples."""
