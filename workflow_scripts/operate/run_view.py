"""The state of a study as lines of text, for any width of a terminal."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.text import Text

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
_LISTED = 6  # at most this many jobs at work, and this many failed ones, are shown
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


def shorten(text: str, width: int) -> str:
    """The first line of a text, cut at a width."""
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= width else f"{line[: max(0, width - 1)]}…"[:width]


def describe_run(title: str, state: RunState, width: int) -> list[Text]:
    """The view of a run: work done and time left, the stages, the jobs at work, those that failed.

    No line is longer than width.
    """
    lines = [_line(title, "bold", width)]
    lines += [_bar(row, width) for row in count_rows(state)]
    lines += _some("at work", [_tell_work(each) for each in state.at_work], "cyan", width)
    lines += _some("failed", [tell_failure(each) for each in state.failed], "red", width)
    return lines


def summarize_run(state: RunState) -> str:
    """One line on a run, for logs: work done and time left, the stages that are not complete."""
    rows = [f"{row.name} {row.done}/{row.total}" for row in count_rows(state)]
    failed = [f"failed {len(state.failed)}"] if state.failed else []
    return f"{tell_share(state)}; {', '.join([*rows, *failed])}"


def tell_failure(failed: FailedJob) -> str:
    """The error of a job, with its log."""
    return f"{failed.job}: log {failed.log}: {failed.error}"


def _tell_work(each: AtWork) -> str:
    progress = each.progress
    if progress is None:
        return each.job
    count = f"{progress.done}/{progress.total} {progress.unit}"
    return f"{each.job}  {count}  {progress.rate}  {progress.metrics}".rstrip()


def _some(head: str, texts: list[str], style: str, width: int) -> list[Text]:
    """The first of several lines below a head, and the number of others."""
    if not texts:
        return []
    more = [f"and {len(texts) - _LISTED} more"] if len(texts) > _LISTED else []
    return [
        _line(head, f"bold {style}", width),
        *(_line(f"  {text}", style, width) for text in [*texts[:_LISTED], *more]),
    ]


def _bar(row: Row, width: int) -> Text:
    filled = _BAR * row.done // row.total
    name, count = f"{row.name:{_NAME}}  ", f"  {row.done}/{row.total}"
    style = "green" if row.done == row.total else "default"
    line = Text.assemble(name, ("━" * filled, style), ("─" * (_BAR - filled), "dim"), count)
    line.truncate(width)
    return line


def _line(text: str, style: str, width: int) -> Text:
    return Text(shorten(text, width), style=style, no_wrap=True)


def as_plain(lines: Iterable[Text]) -> str:
    """The lines as text without colours."""
    return "\n".join(line.plain.rstrip() for line in lines)
