"""Section `sft`: supervised fine-tuning."""

from workflow_scripts.settings.model import RunSettings, TrainedModel
from workflow_scripts.settings.optimization import Optimization
from workflow_scripts.settings.values import Count


class Sft(Optimization):
    """Supervised fine-tuning on solutions."""

    epochs: Count
    """Passes over the SFT examples."""


class SftSettings(RunSettings):
    """What defines an SFT run besides its seed, its data and its base model."""

    model: TrainedModel
    sft: Sft
