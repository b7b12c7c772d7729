"""Fetch a pre-trained model once, at a pinned revision or from a folder; all else works offline.

python -m workflow_scripts.model.fetch PLAN
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
    # The library reads this variable when it is imported, which is why it is imported here.
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
    shutil.rmtree(target / ".cache", ignore_errors=True)  # the download's own book-keeping


def _copy(source: Path, target: Path, manifest: str) -> None:
    """Copy a model, and verify the copy: by the model's own manifest where it has one."""
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
    """Put weights (safetensors only), tokenizer and configuration beside the manifest.

    Raises StudyError if the hub cannot be reached, or if what it or the folder holds is no whole
    model.
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
