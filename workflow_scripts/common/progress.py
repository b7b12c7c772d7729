"""Progress of a long computation: one line updated in place on a terminal, or lines in a log.

`read_progress` reads the last such line of a log, to show it elsewhere.
"""

import os
import re
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

_SECONDS_BETWEEN_LINES = {True: 0.5, False: 15.0}  # key: whether the output is a terminal


@dataclass
class ProgressLine:
    """Prints how much of a total is done, the rate, and the remaining time.

    Time is measured from the object's creation. unit names the counted things. first is the count
    at the start, which is above 0 if an earlier process did some of the work.
    """

    label: str
    total: int
    unit: str
    first: int = 0
    _started: float = field(default_factory=time.monotonic, init=False)
    _last_line: float = field(default=-1e9, init=False)

    def show(self, done: int, metrics: str = "") -> None:
        """Print the count so far, and metrics as text after the count.

        A call soon after the last printed line prints nothing, unless done equals the total.
        """
        live, now = sys.stderr.isatty(), time.monotonic()
        if now - self._last_line < _SECONDS_BETWEEN_LINES[live] and done < self.total:
            return
        self._last_line = now
        rate = (done - self.first) / max(now - self._started, 1e-9)
        left = timedelta(seconds=round((self.total - done) / max(rate, 1e-9)))
        count = f"{done}/{self.total} {self.unit}  {rate:.3g} {self.unit}/s"
        line = f"{self.label}  {count}  {left} left  {metrics}".rstrip()
        end = "\n" if done >= self.total or not live else ""
        print(f"\r\033[K{line}" if live else line, end=end, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class LoggedProgress:
    """The progress that a log shows: the count, the total, and the texts of rate and metrics."""

    done: int
    total: int
    unit: str
    rate: str
    metrics: str


# A line that ProgressLine.show prints into a log.
_LINE = re.compile(
    r"  (?P<done>\d+)/(?P<total>\d+) (?P<unit>\w+)  (?P<rate>\S+ (?P=unit)/s)  .*? left"
    r"(?:  (?P<metrics>.*))?$",
    re.MULTILINE,
)
_TAIL = 4096  # bytes at the end of a log in which its last progress line is searched


def read_progress(log: Path) -> LoggedProgress | None:
    """The last progress line of a log. None if there is no such file or line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    lines = list(_LINE.finditer(text))
    if not lines:
        return None
    last = lines[-1]
    done, total, metrics = int(last["done"]), int(last["total"]), last["metrics"] or ""
    return LoggedProgress(done, total, last["unit"], last["rate"], metrics)
