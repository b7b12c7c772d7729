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
    def scratch(self) -> Path:
        """Checkpoints, which are removed once the run is done."""
        return self.folder / SCRATCH
