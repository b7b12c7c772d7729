"""The hashes of files, read again only where a file may have changed."""

import os
import time
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, sha256, write_json

CACHE = ".hashes.json"
# A file that changed less than this long before it was hashed may change again unnoticed: the
# clock of a file system ticks every few milliseconds. It is read again next time.
_SETTLED_SECONDS = 0.1


class Contents:
    """The content hash of every file that is asked for.

    With a folder of results, hashes are kept there by size, times and inode, as git does. Times
    only decide whether a file is read again, never what is true: a change of a file's content sets
    its ctime, which no program can set back. Without a folder everything is read.
    """

    def __init__(self, results: Path | None = None):
        self._file = results / CACHE if results else None
        self._hashes: dict[str, str | None] = {}
        self._stats: dict[str, list] = {}
        if self._file and self._file.is_file():
            try:
                known = read_json(self._file)
                self._stats = {path: [*known[path]] for path in known}
            except (StudyError, TypeError):
                self._stats = {}

    def hash(self, path: str) -> str | None:
        """The SHA-256 of a file, None if there is none or it cannot be read."""
        if path not in self._hashes:
            self._hashes[path] = self._find(path)
        return self._hashes[path]

    def _find(self, path: str) -> str | None:
        try:
            stat = Path(path).stat()
        except OSError:
            return None
        key = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        known = self._stats.get(path)
        if known and known[:-1] == key:
            return known[-1]
        try:
            found = sha256(Path(path))
        except StudyError:
            return None
        if time.time() - stat.st_ctime > _SETTLED_SECONDS:
            self._stats[path] = [*key, found]
        else:
            self._stats.pop(path, None)
        return found

    def files_below(self, folder: str) -> list[str]:
        """The paths of all files below a folder; none if it is not there."""
        files = (f"{parent}/{name}" for parent, _, names in os.walk(folder) for name in names)
        return sorted(file for file in files if Path(file).exists())  # no link to nowhere

    def save(self) -> None:
        """Keep the hashes of the files that were asked for, for the next time."""
        if self._file:
            kept = {path: self._stats[path] for path in self._hashes if path in self._stats}
            write_json(self._file, kept)
