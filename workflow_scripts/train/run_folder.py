"""The paths of the files that a training run writes."""

from dataclasses import dataclass
from pathlib import Path

SCRATCH = "scratch"


@dataclass(frozen=True)
class RunFolder:
    """The folder of a training run, and the seconds between the run's checkpoints."""

    folder: Path
    checkpoint_seconds: float

    @property
    def model(self) -> Path:
        """The folder of the trained model."""
        return self.folder / "model"

    @property
    def log(self) -> Path:
        """The metrics of the logged training steps, as CSV."""
        return self.folder / "log.csv"

    @property
    def record(self) -> Path:
        """The record of the run's inputs, cost and results, as JSON."""
        return self.folder / "run.json"

    @property
    def rollouts(self) -> Path:
        """Counts of the rollouts (sampled responses) of all RL steps, as CSV. Only for RL runs."""
        return self.folder / "rollouts.csv"

    @property
    def scored_models(self) -> Path:
        """The folder of the models saved at rl.scored_steps. Only for RL runs."""
        return self.folder / "checkpoints"

    @property
    def scratch(self) -> Path:
        """The folder of checkpoints and other temporary files, removed when the run is done."""
        return self.folder / SCRATCH
