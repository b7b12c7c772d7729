"""Progress of a training run, on the terminal and as a table of its steps."""

import csv
import time
from pathlib import Path

from transformers import TrainerCallback

from workflow_scripts.common.files import atomic_path
from workflow_scripts.common.progress import report_progress


class Progress(TrainerCallback):
    """Shows the step, the rate and the time left, with some of the metrics logged.

    tokens_per_second counts prompts and responses of the steps since this process began them.
    """

    def __init__(self, label: str, shown: tuple[str, ...]):
        self.label, self.shown = label, shown

    def on_train_begin(self, args, state, control, **kwargs):
        self.started, self.first_step = time.monotonic(), state.global_step
        self.first_token = state.num_input_tokens_seen

    def on_train_end(self, args, state, control, **kwargs):
        tokens = state.num_input_tokens_seen - self.first_token
        self.tokens_per_second = round(tokens / (time.monotonic() - self.started), 1)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" not in logs:  # the trainer's closing summary
            return
        metrics = "  ".join(f"{key} {float(logs[key]):.4g}" for key in self.shown if key in logs)
        report_progress(
            self.label,
            state.global_step,
            state.max_steps,
            "steps",
            self.started,
            self.first_step,
            metrics,
        )


def write_step_table(path: Path, log_history: list[dict], columns: tuple[str, ...]) -> None:
    """Write what the trainer logged as CSV, one row for each logged step."""
    rows = [row for row in log_history if columns[0] in row]
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *columns])
        writer.writerows(
            [row["step"], *(row.get(column, "") for column in columns)] for row in rows
        )
