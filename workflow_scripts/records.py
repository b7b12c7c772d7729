"""What Snakemake keeps of each file that its jobs made: parameters, inputs, whether it is whole."""

from base64 import urlsafe_b64decode
from pathlib import Path

RECORDS, INCOMPLETE = Path(".snakemake/metadata"), Path(".snakemake/incomplete")


def find_records(folder: Path) -> dict[str, Path]:
    """The records in a folder by the file that each is of."""
    found = {}
    for record in sorted(path for path in folder.rglob("*") if path.is_file()):
        # A record is named by the file that it is of; a long name is a folder of its pieces.
        pieces = [piece.removeprefix("@") for piece in record.relative_to(folder).parts]
        found[urlsafe_b64decode("".join(pieces)).decode()] = record
    return found
