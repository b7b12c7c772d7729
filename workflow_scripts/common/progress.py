"""Progress of a long computation: one line updated in place on a terminal, or lines in a log."""

import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta

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
