"""The progress of a training run: a line on the terminal, and a table of the logged steps."""

import csv
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from workflow_scripts.common.files import atomic_path
from workflow_scripts.common.progress import ProgressLine


class Progress(TrainerCallback):
    """Shows the step, the rate, the remaining time and some of the logged metrics.

    tokens_per_second is the mean rate over prompt and response tokens since this process started or
    resumed the run. The attribute is set when training ends.
    """

    def __init__(self, label: str, shown: tuple[str, ...]) -> None:
        self.label, self.shown = label, shown

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Start counting time, steps and tokens."""
        self.line = ProgressLine(self.label, state.max_steps, "steps", first=state.global_step)
        self.started, self.first_token = time.monotonic(), state.num_input_tokens_seen

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Compute tokens_per_second."""
        tokens = state.num_input_tokens_seen - self.first_token
        self.tokens_per_second = round(tokens / (time.monotonic() - self.started), 1)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Show the metrics of a logged step."""
        if logs is None or "loss" not in logs:  # the trainer's summary at the end has no loss
            return
        metrics = "  ".join(f"{key} {float(logs[key]):.4g}" for key in self.shown if key in logs)
        self.line.show(state.global_step, metrics)


def write_step_table(
    path: Path, log_history: list[dict[str, Any]], columns: tuple[str, ...]
) -> None:
    """Write the trainer's log as CSV, one row per logged step.

    Entries without a value for the first column are left out, such as the summary at the end.
    """
    rows = [row for row in log_history if columns[0] in row]
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *columns])
        writer.writerows(
            [row["step"], *(row.get(column, "") for column in columns)] for row in rows
        )
