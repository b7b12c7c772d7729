"""The study in two minutes, in a terminal: what models write, and RL while it works.

    python -m workflow_scripts.operate.demo

Shows responses of the recorded models to two held-out problems, then trains FB for some RL steps
with the code and the settings of the laptop tier. Keeps no file.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from workflow_scripts.common.files import run_program
from workflow_scripts.operate.arguments import count
from workflow_scripts.operate.demo_view import (
    BLOCK,
    WIDTH,
    Progress,
    commands,
    heading,
    paragraph,
    problem_view,
    progress_header,
    progress_line,
    responses_view,
)

if TYPE_CHECKING:
    from workflow_scripts.operate.demo_models import Recorded
    from workflow_scripts.plan.study import Study

TIER, STEPS = "laptop", 30
FIGURE = Path("results/reference", TIER, "figures/mechanisms.png")

# torch and TRL take seconds to import, so the functions below import them when they need them: by
# then there is something to read.


def show_task(console: Console) -> None:
    """Say what the models do."""
    console.print(heading("Select and Improve"))
    console.print(
        paragraph(
            "A small language model reads a program of a few steps, and a question. Its 11 numbers "
            "have the names e0 to e10 in a scrambled order: e5 is not five. SFT (supervised "
            "fine-tuning on written solutions) taught [bold]F[/] to work forward, [bold]B[/] to "
            "work backward, and [bold]FB[/] both, on 2-5 steps. On a problem that its strategy "
            "does not fit, a model can only guess and check: guess the answer, work through the "
            "program, compare, guess again."
        )
    )


def show_responses(
    console: Console, study: "Study", recorded: "Recorded", validation: Path
) -> None:
    """Show one problem of each type, with a response of each model after SFT and after RL."""
    from workflow_scripts.operate.demo_models import first_problems, respond

    span, settings = study.main.hardest, study.sampling_settings(recorded.run)
    problems = first_problems(validation, span.low)
    folders = {"after SFT": recorded.sft, f"after RL on {span}": recorded.rl}
    stages = {
        stage: {model: respond(folder, problems, settings) for model, folder in of_stage.items()}
        for stage, of_stage in folders.items()
    }
    console.print(heading("1  What models write"))
    console.print(
        paragraph(
            f"The problems are the first held-out ones of each type with {span.low} steps. Each "
            f"model responds once, at temperature {settings.sampling.temperature:g}, with sampling "
            f"seed {settings.sampling.seed}. [green]✓[/] marks a sound line, [bold red]✗[/] the "
            "first wrong one. Guesses after the first are shortened to one line each."
        )
    )
    for index, row in enumerate(problems):
        console.print(problem_view(row["type"], row["prompt"]))
        for stage, responses in stages.items():
            of_problem = {model: each[index] for model, each in responses.items()}
            console.print(responses_view(stage, of_problem))


class ProgressLines:
    """Shows progress: a line for each BLOCK of steps, and on a terminal the present one below.

    done has what the lines show.
    """

    def __init__(self, live: Live) -> None:
        self.live = live
        self.done: list[Progress] = []

    def show(self, progress: Progress) -> None:
        """Show the progress after a step."""
        line = progress_line(progress)
        if progress.step % BLOCK and progress.step < progress.n_steps:
            self.live.update(line, refresh=True)
            return
        self.live.update(Text(), refresh=True)
        self.live.console.print(line)
        self.done.append(progress)


def show_rl(
    console: Console, study: "Study", recorded: "Recorded", prompts: Path, n_steps: int
) -> list[Progress]:
    """Train FB with GRPO, one line for each BLOCK of steps. Returns what the lines show."""
    run = recorded.run
    console.print(heading("2  RL, live"))
    console.print(
        paragraph(
            "FB after SFT knows both strategies and chooses almost at random. Now it is trained by "
            f"RL on problems of {run.prompts.label} steps, by the study's own GRPO (group relative "
            f"policy optimization): {run.settings.rl.batch_size} responses a step. The reward is 1 "
            "for a right answer, else 0. Nothing tells the model which strategy fits."
        )
    )
    with console.status("loading TRL"):
        from workflow_scripts.operate.live_rl import train_live
        from workflow_scripts.train.grpo import RlInputs
    console.print(progress_header())
    rl = run.settings.rl.model_copy(update={"steps": n_steps, "scored_steps": []})
    settings = study.rl_settings(run).model_copy(update={"rl": rl})
    with Live(console=console, transient=True, auto_refresh=False) as live:
        lines = ProgressLines(live)
        train_live(settings, run.seed, RlInputs(recorded.sft["FB"], prompts), lines.show)
    return lines.done


def show_end(console: Console, study: "Study", lines: list[Progress], seconds: float) -> None:
    """Say what was seen, and where it goes on."""
    first, last = lines[0], lines[-1]
    settings = study.settings
    console.print(
        paragraph(
            f"In {last.step} steps of RL, the share of responses in the fitting strategy went from "
            f"[bold]{first.share:.2f}[/] to [bold]{last.share:.2f}[/]. The study calls this "
            "[bold]selection[/]: RL chooses between strategies that the model learnt before. "
            "[bold]Improvement[/], to carry out the chosen strategy without a mistake, takes "
            f"longer. Both, over {settings.rl.steps} steps with {len(settings.seeds)} seeds, are in"
            f"\n  [bold]{FIGURE}[/]"
        )
    )
    console.print(
        commands(
            {
                "make report RECORDED=yes": "all recorded results on one page",
                "make study TARGETS=fig_selection_first_seed": "this run to its end, 5 minutes",
            }
        )
    )
    console.print(paragraph(f"[dim]{seconds:.0f} seconds; nothing was kept.[/]"))


def demo(console: Console, n_steps: int) -> None:
    """Show everything. Raises StudyError if a recorded model is missing or altered."""
    started = time.monotonic()
    show_task(console)
    with TemporaryDirectory() as folder:
        with console.status("loading the models"):
            from workflow_scripts.operate.demo_models import draw_data, find_recorded
            from workflow_scripts.plan.configuration import read_tier
            from workflow_scripts.plan.study import Study

            study = Study(read_tier(TIER))
            recorded = find_recorded(study)
            validation, prompts = draw_data(study, recorded.run, Path(folder))
        show_responses(console, study, recorded, validation)
        lines = show_rl(console, study, recorded, prompts, n_steps)
    show_end(console, study, lines, time.monotonic() - started)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=count, default=STEPS, help="steps of RL")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)  # transformers' words to its developers
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH)
    try:
        demo(console, arguments.steps)
    except KeyboardInterrupt:
        sys.exit("stopped; nothing was kept")


if __name__ == "__main__":
    run_program(main)
