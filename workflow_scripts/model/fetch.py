"""Fetch a pre-trained model once, from the hub at a pinned revision or from a folder.

    python -m workflow_scripts.model.fetch PLAN

No other stage uses the network. The manifest of a model is a file with the hashes of all files of
the model's folder.
"""

import os
import shutil
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import (
    find_difference,
    read_json,
    sha256,
    sha256_tree,
    write_json,
)
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.settings.model import Hub

_FILES = ["*.json", "*.safetensors", "*.txt", "*.jinja"]
_NEEDED = ["config.json", "tokenizer.json", "*.safetensors"]


def _download(repository: str, revision: str, target: Path) -> None:
    # huggingface_hub reads this variable on import, so the import must follow the assignment.
    os.environ["HF_HUB_OFFLINE"] = "0"
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        snapshot_download(repository, revision=revision, local_dir=target, allow_patterns=_FILES)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise StudyError(
            f"{repository} at {revision} cannot be fetched ({reason}): run this target where the "
            "hub can be reached, or set model.hub.folder to a folder that holds the model"
        ) from None
    shutil.rmtree(target / ".cache", ignore_errors=True)  # records that huggingface_hub keeps


def _copy(source: Path, target: Path, manifest: str) -> None:
    """Copy a model, and verify the copy against the source's manifest if there is one.

    Without a manifest, the copy is verified against the source files. Raises StudyError if a file
    lies outside the source folder, is missing, or differs from its hash.
    """
    if (source / manifest).is_file():
        expected = read_json(source / manifest)["files"]
    else:
        files = (path for pattern in _FILES for path in source.glob(pattern))
        expected = {path.name: sha256(path) for path in files}
    for name in expected:
        if not (source / name).resolve().is_relative_to(source.resolve()):
            raise StudyError(
                f"{source / name} leads out of {source}: put the model's own files into that folder"
            )
    shutil.rmtree(target, ignore_errors=True)
    for name in expected:
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)
    if difference := find_difference(target, expected):
        name, is_there = difference
        reason = "differs from its hash" if is_there else "is missing"
        raise StudyError(f"{source / name} {reason}: put the whole model there again")


def fetch(hub: Hub, manifest: Path) -> None:
    """Put a model's weights, tokenizer and configuration into a folder, and write the manifest.

    The folder is that of the manifest. Weights must be safetensors files. Raises StudyError if the
    hub cannot be reached, or if the source holds no complete model.
    """
    target = manifest.parent
    if hub.folder:
        source = {"folder": hub.folder}
        _copy(Path(hub.folder), target, manifest.name)
    else:
        source = {"repository": hub.repository, "revision": hub.revision}
        _download(hub.repository, hub.revision, target)
    for pattern in _NEEDED:
        if not any(target.glob(pattern)):
            raise StudyError(f"{' at '.join(source.values())} holds no {pattern}: not a model")
    write_json(manifest, {"source": source, "files": sha256_tree(target)})


if __name__ == "__main__":
    run_stage(__doc__)
