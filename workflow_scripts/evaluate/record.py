"""The record (JSON) that an evaluation of models writes beside its results.

Code hash, device and time stand in the record, so that evaluating again gives the same bytes in the
file of the results.
"""

from collections.abc import Collection
from pathlib import Path

from workflow_scripts.common.files import write_json
from workflow_scripts.common.provenance import code_hash, git_commit
from workflow_scripts.model.device import device_name, peak_memory_mib


def write_record(
    results: Path,
    stage: str,
    device: str,
    implementations: Collection[str],
    seconds: float,
    n_tokens: int,
) -> None:
    """Write the record of a file of results.

    stage is the stage's module, device the setting model.device. implementations name the code that
    computed the models (see model.generate.implementation). seconds is the time that this took, for
    n_tokens tokens that were sampled or scored.
    """
    write_json(
        results.with_suffix(".json"),
        {
            "stage": stage,
            "code_hash": code_hash(stage),
            "commit": git_commit(),
            "device": device_name(device),
            "implementation": " and ".join(sorted(implementations)),
            "wall_seconds": round(seconds, 2),
            "peak_memory_mib": peak_memory_mib(device),
            "tokens_per_second": round(n_tokens / seconds, 1),
        },
    )
