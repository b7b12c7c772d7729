"""Section `sft`: supervised fine-tuning."""

from workflow_scripts.settings.model import RunSettings, TrainedModel
from workflow_scripts.settings.optimization import Optimization
from workflow_scripts.settings.values import Count


class Sft(Optimization):
    """Supervised fine-tuning on problems with written solutions."""

    epochs: Count
    """Number of passes over the SFT examples."""


class SftSettings(RunSettings):
    """The settings that determine an SFT run, apart from its seed, data and base model."""

    model: TrainedModel
    sft: Sft
