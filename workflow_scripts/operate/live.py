"""The view of a running study in the terminal that started it.

`make study` runs snakemake with `--logger study`, the plugin in snakemake_logger_plugin_study. The
plugin makes a `View`; the Snakefile calls `begin_view` and `end_view`. A plain snakemake has no
view, and then both do nothing.

A view looks at files in a thread of its own and decides nothing: if it fails, it says so and
stops, and the study goes on.
"""

import atexit
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from workflow_scripts.operate.run_state import RunPlan, RunState, RunWatch, file_to_read
from workflow_scripts.operate.run_view import (
    describe_run,
    summarize_run,
    tell_failure,
    tell_share,
)

_LEAST_PAUSE = 5.0  # seconds between two looks
_PATIENCE = 20  # a pause is this many times as long as a look, on a slow file system
_QUIET_SECONDS = 60.0  # between two lines, where there is no terminal
_PRODUCTS = ("figures", "tables", "claims")  # stages whose files are named when they are ready


class _Console(Console):
    """A console that leaves the cursor visible, since a killed process could not show it again."""

    def show_cursor(self, show: bool = True) -> bool:
        """Do nothing."""
        return False


class View:
    """Shows a run until it ends: a block of lines on a terminal, single lines elsewhere."""

    def __init__(self) -> None:
        self._console = _Console(stderr=True, highlight=False, soft_wrap=True)
        self._is_live = self._console.is_terminal and sys.stdout.isatty()
        self._watch: RunWatch | None = None
        self._live: Live | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self.guarded, args=(self._show_until_stopped,), daemon=True
        )
        self._told: set[str] = set()
        self._last_summary = 0.0

    def say(self, text: str, style: str = "") -> None:
        """Print a line above the view."""
        self._console.print(Text(text, style=style))

    def begin(self, run: RunPlan) -> None:
        """Show a run from now on."""
        self._watch = RunWatch(run)
        self._told = {name for name in run.names if name not in run.due}
        if self._is_live:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        atexit.register(self.end)
        self._thread.start()

    def end(self) -> None:
        """Look a last time, then remove the view. The second call does nothing."""
        if self._watch is None or self._stopped.is_set():
            return
        self._stopped.set()
        self._thread.join(timeout=10)
        self.guarded(self._look)
        if self._live:
            self._live.stop()

    def guarded(self, show: Callable[[], object]) -> None:
        """Call a function. Its errors end the view, and nothing else."""
        try:
            show()
        except Exception as error:
            self._stopped.set()
            if self._live:
                self._live.stop()
            print(
                f"the view has ended ({type(error).__name__}: {error}); the study goes on: "
                "make status shows it",
                file=sys.stderr,
            )

    def _show_until_stopped(self) -> None:
        pause = 0.0
        while not self._stopped.wait(pause):
            began = time.monotonic()
            state = self._look()
            if self._live:
                self._draw(state)
            elif began - self._last_summary > _QUIET_SECONDS:
                self._last_summary = began
                self.say(f"{datetime.now():%H:%M}  {summarize_run(state)}")
            pause = max(_LEAST_PAUSE, _PATIENCE * (time.monotonic() - began))

    def _look(self) -> RunState:
        """The state now. What is newly ready or, where there is no block, failed gets a line."""
        assert self._watch is not None
        state = self._watch.look()
        for name in [job for job, is_done in state.done.items() if is_done]:
            if name not in self._told:
                self._told.add(name)
                self._tell_ready(name)
        for failed in state.failed:
            if not self._live and failed.job not in self._told:
                self._told.add(failed.job)
                for line in tell_failure(failed):
                    self.say(line, "red")
        return state

    def _tell_ready(self, name: str) -> None:
        assert self._watch is not None
        if name.split("/")[0] in _PRODUCTS:
            self.say(f"ready   {file_to_read(self._watch.run.plan.jobs[name])}", "green")

    def _draw(self, state: RunState) -> None:
        assert self._live is not None
        assert self._watch is not None
        title = f"{self._watch.run.plan.study.tier}: {tell_share(state)}"
        lines = describe_run([title], state, self._console.width)
        self._live.update(Group(*lines), refresh=True)


_view: View | None = None


def make_view() -> View:
    """Make the view of this process, for begin_view and end_view."""
    global _view
    _view = View()
    return _view


def begin_view(run: Callable[[], RunPlan]) -> None:
    """Show a run, if this process has a view."""
    if _view is not None:
        view = _view
        view.guarded(lambda: view.begin(run()))


def end_view() -> None:
    """Remove the view, if this process has one."""
    if _view is not None:
        _view.end()
