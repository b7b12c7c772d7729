"""The record of a training run: what made it, what it took and what came out."""

import time
from pathlib import Path
from typing import Any

from workflow_scripts.common.files import sha256, write_json
from workflow_scripts.common.jobs import digest
from workflow_scripts.common.provenance import code_hash, git_commit, package_versions
from workflow_scripts.model.device import device_name, peak_memory_mib


class RunRecord:
    """Collects run.json: settings, seed, code, inputs, packages, device, time, memory and results.

    settings are a JSON value. seconds_before and resumed_at are those of a run that goes on: the
    seconds that it had taken until its checkpoint, and the steps at which it was taken up again.
    """

    def __init__(
        self, module: str, settings: dict[str, Any], seed: int, inputs: list[Path]
    ) -> None:
        self.started, self.seconds_before = time.time(), 0.0
        self.resumed_at: list[int] = []
        self.defining = {
            "stage": module,
            "settings": settings,
            "seed": seed,
            "code_hash": code_hash(module),
            "inputs": {str(path): sha256(path) for path in inputs},
            "packages": package_versions(module),
        }

    @property
    def identity(self) -> str:
        """A hash of all that decides the run's result."""
        return digest(self.defining)

    @property
    def seconds(self) -> float:
        """The seconds that the run has taken, interruptions not counted."""
        return round(self.seconds_before + time.time() - self.started, 2)

    def write(self, path: Path, device: str, **results: Any) -> None:
        """Write the record, as the last of a run's outputs."""
        record = {
            **self.defining,
            "commit": git_commit(),
            "device": device_name(device),
            "wall_seconds": self.seconds,
            "peak_memory_mib": peak_memory_mib(device),
            "resumed_at": self.resumed_at,
            **results,
        }
        write_json(path, record)
