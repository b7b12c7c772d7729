"""The state of a study as lines of text, for any width of a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from workflow_scripts.common.progress import LoggedProgress
from workflow_scripts.operate.run_state import AtWork, FailedJob, RunState

# The rows of the view: a name, and the stages of the jobs that it counts.
_ROWS = {
    "data": ("data",),
    "base model": ("hub", "base"),
    "SFT": ("sft",),
    "RL": ("rl",),
    "evaluation": ("rollouts", "exact"),
    "scores": (
        *("labels", "scores", "mistakes", "training", "sft_validation", "provenance", "metrics"),
    ),
    "figures": ("figures",),
    "tables": ("tables",),
    "claims": ("quantities", "claims"),
}
_LISTED = 8  # at most this many jobs at work are shown
_FAILED = 4  # and this many failed ones, with two lines each
_BAR = 24  # characters
_NAME = max(map(len, _ROWS))


@dataclass(frozen=True)
class Row:
    """A group of stages: how many of its jobs are done."""

    name: str
    done: int
    total: int


def count_rows(state: RunState) -> list[Row]:
    """The rows of the view that have jobs."""
    rows = []
    for name, stages in _ROWS.items():
        done = [is_done for job, is_done in state.done.items() if job.split("/")[0] in stages]
        if done:
            rows.append(Row(name, sum(done), len(done)))
    return rows


def tell_duration(seconds: float) -> str:
    """A duration, as exactly as it can be foretold: 40 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def tell_share(state: RunState) -> str:
    """The share of the work that is done, and the time that is left."""
    if all(state.done.values()):
        return f"all {len(state.done)} jobs are done"
    if state.share is None or state.left is None:
        return "time left not known: no cost of this tier is recorded"
    # Rounded down: 100 % is said when all is done.
    return f"{int(100 * state.share)} % of the work done, about {tell_duration(state.left)} left"


def make_line(text: str, style: str, width: int) -> Text:
    """The first line of a text, cut at a width, without characters that move the cursor."""
    first = text.splitlines()[0] if text else ""
    printable = "".join(each if each.isprintable() else " " for each in first)
    line = Text(printable, style=style, no_wrap=True)
    line.truncate(width, overflow="ellipsis")
    return line


def describe_run(heads: list[str], state: RunState, width: int) -> list[Text]:
    """The view of a run: the given lines, the stages, the jobs at work, those that failed.

    No line is longer than width.
    """
    lines = [make_line(head, "" if index else "bold", width) for index, head in enumerate(heads)]
    lines += [_bar(row, width) for row in count_rows(state)]
    if state.at_work:
        lines.append(make_line("at work", "bold cyan", width))
        texts = [*tell_work(state.at_work[:_LISTED]), *_tell_more(state.at_work, _LISTED)]
        lines += [make_line(f"  {text}", "cyan", width) for text in texts]
    if state.failed:
        waiting = f"; waiting for them: {state.waiting}" if state.waiting else ""
        lines.append(make_line(f"failed: {len(state.failed)}{waiting}", "bold red", width))
        texts = [text for each in state.failed[:_FAILED] for text in tell_failure(each)]
        texts += _tell_more(state.failed, _FAILED)
        lines += [make_line(f"  {text}", "red", width) for text in texts]
    return lines


def summarize_run(state: RunState) -> str:
    """One line on a run, for logs: work done and time left, the stages that are not complete."""
    rows = [f"{row.name} {row.done}/{row.total}" for row in count_rows(state)]
    failed = [f"failed {len(state.failed)}"] if state.failed else []
    return f"{tell_share(state)}; {', '.join([*rows, *failed])}"


def tell_failure(failed: FailedJob) -> list[str]:
    """Two lines: the error of a job, and its log."""
    return [f"{failed.job}: {failed.error}", f"    log: {failed.log}"]


def tell_work(at_work: list[AtWork]) -> list[str]:
    """A line for each job at work: its steps, their rate, and the first of its metrics."""
    longest = max(len(each.job) for each in at_work)
    return [f"{each.job:{longest}}  {_tell_progress(each.progress)}".rstrip() for each in at_work]


def _tell_progress(progress: LoggedProgress | None) -> str:
    if progress is None:
        return ""
    metric = progress.metrics.split("  ")[0]
    return f"{progress.done}/{progress.total} {progress.unit}  {progress.rate}  {metric}"


def _tell_more(listed: Sequence[object], most: int) -> list[str]:
    """A text on the number of those that are not shown."""
    return [f"and {len(listed) - most} more"] if len(listed) > most else []


def _bar(row: Row, width: int) -> Text:
    filled = _BAR * row.done // row.total
    name, count = f"{row.name:{_NAME}}  ", f"  {row.done}/{row.total}"
    style = "green" if row.done == row.total else "default"
    line = Text.assemble(name, ("━" * filled, style), ("─" * (_BAR - filled), "dim"), count)
    line.truncate(width)
    return line
