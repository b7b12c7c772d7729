"""Where a training run is written."""

from dataclasses import dataclass
from pathlib import Path

SCRATCH = "scratch"


@dataclass(frozen=True)
class RunFolder:
    """The folder of a training run, and how often the run is saved there."""

    folder: Path
    checkpoint_seconds: float

    @property
    def model(self) -> Path:
        """The folder of the trained model."""
        return self.folder / "model"

    @property
    def log(self) -> Path:
        """The metrics of the training steps, as CSV."""
        return self.folder / "log.csv"

    @property
    def record(self) -> Path:
        """What made the run, what it took and what came out."""
        return self.folder / "run.json"

    @property
    def rollouts(self) -> Path:
        """The rollouts of the RL steps, as CSV; of RL alone."""
        return self.folder / "rollouts.csv"

    @property
    def scored_models(self) -> Path:
        """The models that are kept besides the last; of RL alone."""
        return self.folder / "checkpoints"

    @property
    def scratch(self) -> Path:
        """Checkpoints, which are removed once the run is done."""
        return self.folder / SCRATCH
