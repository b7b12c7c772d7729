"""Section `statistics`: the bootstrap, from which all confidence intervals are computed."""

from typing import Annotated

from pydantic import Field

from workflow_scripts.settings.values import Count, Section, Seed


class Statistics(Section):
    """The bootstrap, from which all confidence intervals are computed."""

    bootstrap_resamples: Count
    """Number of resamples for each interval."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """Confidence level of the intervals."""
    seed: Seed
    """Seed of the random resamples."""
