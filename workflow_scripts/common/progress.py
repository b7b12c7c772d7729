"""Progress of a long step: one live line on a terminal, quiet lines in a log."""

import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta

_SECONDS_BETWEEN_LINES = {True: 0.5, False: 15.0}  # on a terminal, in a log


@dataclass
class ProgressLine:
    """Shows how much of a total is done, the rate and the time left; it starts when it is made.

    unit names what is counted. first is the count at the start, which is not 0 where work goes on.
    """

    label: str
    total: int
    unit: str
    first: int = 0
    _started: float = field(default_factory=time.monotonic, init=False)
    _last_line: float = field(default=-1e9, init=False)

    def show(self, done: int, metrics: str = "") -> None:
        """Show the count so far; call it as often as you like. The last count is always shown."""
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
