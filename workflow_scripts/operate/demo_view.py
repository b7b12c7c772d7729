"""What the demo shows, as objects of rich: pure functions, without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from workflow_scripts.operate.annotate import Annotated, Mark, abridge
from workflow_scripts.task.problems import EVALUATION, INVERSION

WIDTH = 80
BLOCK = 5  # RL steps of one line: those of a single step are too few for a smooth curve
_BAR = 30  # characters of a share of 1
_COLOURS = {Mark.SOUND: "green", Mark.FAULT: "bold red", Mark.OPEN: "dim"}
_QUESTIONS = {
    EVALUATION: "The start is given, the end is asked for.\n"
    "The fitting strategy is forward: apply the steps.",
    INVERSION: "The end is given, the start is asked for.\n"
    "The fitting strategy is backward: undo the steps.",
}


def heading(text: str) -> RenderableType:
    """The heading of a part of the demo."""
    return Group("", Rule(Text(text, "bold"), align="left", style="dim"))


def paragraph(text: str) -> RenderableType:
    """A paragraph in rich's markup, after an empty line."""
    return Group("", Text.from_markup(text))


def problem_view(type_: str, prompt: str) -> RenderableType:
    """A problem: its program, beside its type and the strategy that fits."""
    grid = Table.grid(padding=(0, 4))
    what = Text.assemble((type_.capitalize(), "bold"), f"\n\n{_QUESTIONS[type_]}")
    grid.add_row(Text(prompt.strip(), "cyan"), what)
    return Group("", Padding(grid, (0, 0, 0, 2)))


def _response_view(response: Annotated) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    for line in abridge(response.lines):
        style = _COLOURS[line.mark]
        grid.add_row(Text(line.mark, style), Text(line.text, "dim" if style == "dim" else ""))
    return grid


def _verdict_view(response: Annotated) -> RenderableType:
    style = "bold green" if response.is_right else "bold red"
    return Text.assemble(f"{response.strategy}\n{response.fault}\n", (response.outcome, style))


def responses_view(stage: str, responses: Mapping[str, Annotated]) -> RenderableType:
    """The responses of the models at a stage, side by side. responses has them by model."""
    table = Table(box=None, padding=(0, 0), pad_edge=False, expand=True)
    for model in responses:
        table.add_column(Text.assemble((model, "bold"), (f" {stage}", "dim")), ratio=1)
    table.add_row(*(_response_view(response) for response in responses.values()))
    table.add_row(*(_verdict_view(response) for response in responses.values()))
    return Group("", Padding(table, (0, 0, 0, 2)))


@dataclass(frozen=True)
class Progress:
    """Where RL is: the mean of the responses since some step, and the time.

    share is the share of responses in the fitting strategy, reward that of right answers.
    """

    step: int
    n_steps: int
    share: float
    reward: float
    seconds_per_step: float

    @property
    def seconds_left(self) -> float:
        """The time that the remaining steps will take, if they take as long as those before."""
        return (self.n_steps - self.step) * self.seconds_per_step


def progress_header() -> Text:
    """The header of the lines of progress_line."""
    columns = f"{'step':<7}{'responses in the fitting strategy':<{_BAR + 6}}"
    return Text(f"\n  {columns}  reward  s/step   left", "dim")


def progress_line(progress: Progress) -> Text:
    """The step, the share as a bar and a number, the reward, the time, in one line."""
    filled = round(progress.share * _BAR)
    return Text.assemble(
        f"  {f'{progress.step}/{progress.n_steps}':<7}",
        ("█" * filled, "green"),
        ("░" * (_BAR - filled), "dim"),
        (f"  {progress.share:.2f}", "bold"),
        f"  {progress.reward:6.2f}",
        (f"  {progress.seconds_per_step:6.1f}  {progress.seconds_left:3.0f} s", "dim"),
    )


def commands(meanings: Mapping[str, str]) -> RenderableType:
    """Commands to run next. meanings has what each does, by command."""
    grid = Table.grid(padding=(0, 3))
    for command, meaning in meanings.items():
        grid.add_row(Text(command, "bold"), Text(meaning, "dim"))
    return Group("", Padding(grid, (0, 0, 0, 2)))
