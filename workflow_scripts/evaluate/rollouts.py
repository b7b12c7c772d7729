"""Reading the tables of the workflow."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workflow_scripts.files import damaged


def read_table(path: Path) -> pa.Table:
    """Read a parquet file. Raises StudyError, naming it, if it is missing or damaged."""
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise damaged(path, str(error).splitlines()[0]) from None
