"""Fetch a pre-trained model once, at a pinned revision; every later stage works offline.

python -m workflow_scripts.model.fetch --help
"""

import argparse
import json
import shutil
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from workflow_scripts.files import StudyError, run_stage, sha256_tree, write_json

_FILES = ["*.json", "*.safetensors", "*.txt", "*.jinja"]


def fetch(repository: str, revision: str, manifest: Path) -> None:
    """Download weights (safetensors only), tokenizer and configuration beside the manifest."""
    folder = manifest.parent
    try:
        snapshot_download(repository, revision=revision, local_dir=folder, allow_patterns=_FILES)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise StudyError(
            f"{repository} at {revision} cannot be fetched ({reason}): run this target where the "
            "hub can be reached, or set model.base to a folder that holds the model"
        ) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the download's own book-keeping
    source = {"repository": repository, "revision": revision}
    write_json(manifest, {"source": source, "files": sha256_tree(folder)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--hub", type=json.loads, required=True, help="repository and revision, as JSON"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="manifest, in the model's folder"
    )
    args = parser.parse_args()
    fetch(args.hub["repository"], args.hub["revision"], args.output)


if __name__ == "__main__":
    run_stage(main)
