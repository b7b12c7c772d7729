"""The manifest of a model's folder: the hash of every file, by which a damaged model is found."""

from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import find_difference, read_json

# The file with the hashes of all files of a model's folder. The manifest is written last, so a
# folder without a manifest is incomplete.
MANIFEST = "manifest.json"


def verify_model(folder: Path) -> dict[str, str]:
    """Check a model folder's files against the manifest. Returns the hashes, keyed by path.

    Raises StudyError if the manifest is missing, or a file is missing, cut short or altered.
    """
    expected = read_json(folder / MANIFEST)["files"]
    if difference := find_difference(folder, expected):
        name, is_there = difference
        reason = "differs from its hash in" if is_there else "is missing, named by"
        raise StudyError(
            f"{folder / name} {reason} {folder / MANIFEST}: run snakemake again, which makes it "
            "anew, or restore the folder if it came with the project"
        )
    return expected
