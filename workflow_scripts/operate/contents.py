"""The hashes of files. A file is read again only if its content may have changed."""

import os
import time
from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, sha256, write_json

CACHE = ".hashes.json"
# A hash is kept only if the file last changed at least this many seconds before its hash was
# computed. Otherwise the file could change again within one tick of the file system's clock, so
# that its times would not show the change.
_SETTLED_SECONDS = 0.1


class Contents:
    """The SHA-256 of files.

    Without a folder of results, every file is read. With a folder of results, hashes are kept in it
    between runs, and a file is read again only if its size, mtime, ctime or inode differs, as in
    git. That is safe: every change of a file's content sets its ctime, and no program can set a
    ctime back.
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
        """The SHA-256 of a file, or None if the file is missing or cannot be read."""
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
        """The sorted paths of all files below a folder. Empty if there is no such folder."""
        files = (f"{parent}/{name}" for parent, _, names in os.walk(folder) for name in names)
        return sorted(file for file in files if Path(file).exists())  # leaves out broken links

    def look_again(self) -> None:
        """Check all files again for changes. Without this call, a hash found once is reused."""
        self._hashes.clear()

    def save(self) -> None:
        """Write the hashes of all files that still exist to the folder of results."""
        if self._file:
            kept = {path: stat for path, stat in self._stats.items() if Path(path).is_file()}
            write_json(self._file, kept)
