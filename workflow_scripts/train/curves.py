"""Curves of training runs in TensorBoard, while they run. They change no result.

STUDY_CURVES=curves make study TARGETS=main
.venv/bin/tensorboard --logdir curves
"""

import os
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from workflow_scripts.common.errors import StudyError


class Curves(TrainerCallback):
    """Writes every logged metric to an event file of TensorBoard in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Begin the event file. Steps that a killed process had done after its checkpoint go."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise StudyError(
                "STUDY_CURVES is set, and TensorBoard is not installed: "
                ".venv/bin/pip install tensorboard, or unset STUDY_CURVES"
            ) from None
        self.writer = SummaryWriter(str(self.folder), purge_step=state.global_step + 1)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write the metrics of a logged step. The trainer's summary at the end has no loss."""
        if logs is None or "loss" not in logs:
            return
        for name, value in logs.items():
            if isinstance(value, int | float):
                self.writer.add_scalar(name, value, state.global_step)
        self.writer.flush()

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Close the event file."""
        self.writer.close()


def curves_of(run: Path) -> list[Curves]:
    """The callback of the run in results/<tier>/<stage>/<run>, if STUDY_CURVES names a folder.

    The event file is in <folder>/<tier>/<stage>/<run>.
    """
    folder = os.environ.get("STUDY_CURVES")
    return [Curves(Path(folder, *run.parts[-3:]))] if folder else []
