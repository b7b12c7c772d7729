"""The record of a training run, run.json: the run's inputs, cost and results."""

import time
from pathlib import Path
from typing import Any

from workflow_scripts.common.files import sha256, write_json
from workflow_scripts.common.jobs import digest
from workflow_scripts.common.provenance import code_hash, git_commit, package_versions
from workflow_scripts.model.device import device_name, peak_memory_mib


class RunRecord:
    """Collects run.json: settings, seed, code, inputs, packages, device, time, memory and results.

    settings is a JSON value. For a resumed run, seconds_before is the run's time up to its
    checkpoint, and resumed_at lists the steps at which the run was resumed.
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
        """A hash of everything that determines the run's result."""
        return digest(self.defining)

    @property
    def seconds(self) -> float:
        """The seconds that the run has taken so far, without interruptions."""
        return round(self.seconds_before + time.time() - self.started, 2)

    def write(self, path: Path, device: str, **results: Any) -> None:
        """Write run.json, the last output file of a run. results become entries of the file."""
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
