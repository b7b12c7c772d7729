"""Progress of a long step: one live line on a terminal, quiet lines in a log."""

import sys
import time
from datetime import timedelta

_SECONDS_BETWEEN_LINES = {True: 0.5, False: 15.0}  # on a terminal, in a log
_last_line = -1e9


def report_progress(
    label: str, done: int, total: int, unit: str, started: float, first: int = 0, metrics: str = ""
) -> None:
    """Show what is done of a total, the rate and the time left; call it as often as you like.

    started is the time.monotonic() at which the count stood at first. The end is always shown.
    """
    global _last_line
    live, now = sys.stderr.isatty(), time.monotonic()
    if now - _last_line < _SECONDS_BETWEEN_LINES[live] and done < total:
        return
    _last_line = now
    rate = (done - first) / max(now - started, 1e-9)
    left = timedelta(seconds=round((total - done) / max(rate, 1e-9)))
    line = f"{label}  {done}/{total} {unit}  {rate:.3g} {unit}/s  {left} left  {metrics}".rstrip()
    end = "\n" if done >= total or not live else ""
    print(f"\r\033[K{line}" if live else line, end=end, file=sys.stderr, flush=True)
