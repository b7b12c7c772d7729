"""Read and write tables: reading checks the file, and writing is atomic."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from workflow_scripts.common.files import atomic_path, damaged


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a parquet or CSV file.

    Raises StudyError if the file is missing or damaged, lacks one of the given columns, or has no
    row.
    """
    read = _read_parquet if path.suffix == ".parquet" else _read_csv
    try:
        frame = read(path)
    except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow and pandas raise any
        raise damaged(path, (str(error).splitlines() or ["empty"])[0]) from None
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise damaged(path, f"no column {', '.join(missing)}")
    if frame.empty:
        raise damaged(path, "no row")
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    return pq.read_table(path, page_checksum_verification=True).to_pandas()


def _read_csv(path: Path) -> pd.DataFrame:
    # pandas would read the column "condition" as numbers or NaN where its text is "10" or empty.
    return pd.read_csv(path, keep_default_na=False, na_values=["nan"], dtype={"condition": str})


def write_whole(files: dict[Path, Callable[[Path], object]]) -> None:
    """Write several files, each by calling its own writer function.

    No file appears under its final name until all are complete.
    """
    with ExitStack() as stack:
        for path, write in files.items():
            write(stack.enter_context(atomic_path(path)))


def writer(frame: pd.DataFrame, path: Path) -> Callable[[Path], object]:
    """The function for `write_whole` that writes a table in the format of the path's suffix.

    The formats are parquet, with page checksums, and CSV.
    """
    if path.suffix == ".parquet":
        return partial(frame.to_parquet, index=False, write_page_checksum=True)
    return partial(frame.to_csv, index=False)
