"""Checkpoints of a training run, from which the run resumes after any interruption.

Checkpoints of a run lie in a scratch folder (for temporary files) whose name is a hash of
everything that determines the run's result: settings, seed, code, inputs and packages. A run
therefore never resumes from a checkpoint saved under other settings. The trainer saves a checkpoint
elsewhere; the checkpoint is then hashed and moved into place, so it is either complete or absent. A
checkpoint that differs from its hashes is removed, and the checkpoint before is used.
"""

import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from transformers import (
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from workflow_scripts.common.errors import StudyError, Temporary
from workflow_scripts.common.files import (
    find_difference,
    full_disk,
    read_json,
    sha256_tree,
    write_json,
)
from workflow_scripts.common.lock import lock_folder, unlock_folder
from workflow_scripts.train.record import RunRecord
from workflow_scripts.train.run_folder import RunFolder
from workflow_scripts.train.scratch import IDENTITY

_MANIFEST, _ROLLOUTS = "checkpoint.json", "rollouts.csv"
_KEPT = 2  # the newest checkpoint, and an older one in case the newest is damaged
# Causes, in this order: a scheduler's time limit, preemption, Ctrl-C, a closed terminal.
_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)


class Log(Protocol):
    """A log that a run keeps besides the trainer's own, saved with every checkpoint."""

    def read(self, path: Path) -> None:
        """Restore the log from a file."""
        ...

    def write(self, path: Path) -> None:
        """Write the log so far to a file."""
        ...


class Checkpoints(TrainerCallback):
    """Saves a run's state at intervals of run.checkpoint_seconds, and resumes from the saved state.

    A checkpoint is saved after an update, before the next rollouts are sampled. log (in RL, the
    rollouts so far) is saved and restored together with the weights. The constructor locks the
    run's folder. Raises StudyError if another process works on the run.
    """

    def __init__(self, run: RunFolder, record: RunRecord, log: Log | None = None) -> None:
        self.folder = run.scratch / record.identity
        self.incoming = self.folder / "incoming"
        self.record, self.seconds, self.log = record, run.checkpoint_seconds, log
        self.signal: signal.Signals | None = None
        self.saved = time.monotonic()
        # A job may still be working on this run after its snakemake process was killed.
        self.lock = lock_folder(run.folder)
        shutil.rmtree(self.incoming, ignore_errors=True)

    def train(self, trainer: Trainer, can_resume: Callable[[int], bool] = lambda _: True) -> None:
        """Train to the end, from the newest complete checkpoint whose step can_resume accepts.

        Raises Temporary if a signal stopped the training, or if the disk is full.
        """
        newest = self._newest(can_resume)
        if newest:
            self._continue_from(newest)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / IDENTITY, self.record.defining)
        trainer.add_callback(self)
        try:
            with self._listening(), full_disk(self.folder, self._size(trainer)):
                trainer.train(resume_from_checkpoint=str(newest) if newest else None)
            if self.signal and trainer.state.global_step < trainer.state.max_steps:
                raise Temporary(
                    f"stopped by {self.signal.name} at step {trainer.state.global_step} of "
                    f"{trainer.state.max_steps}, which is saved: run snakemake again to go on"
                )
        except BaseException:
            unlock_folder(self.lock)
            raise
        finally:
            shutil.rmtree(self.incoming, ignore_errors=True)

    def finish(self) -> None:
        """Unlock the run's folder. The scratch folder is removed later, by operate.job."""
        unlock_folder(self.lock)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Start to count the seconds until the first checkpoint."""
        self.saved = time.monotonic()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Ask the trainer to save if a checkpoint is due, and to stop if a signal was received."""
        # A logged loss is the mean over the steps since the last log. Save only at logged steps, so
        # that a resumed run logs the same means.
        logged = state.global_step % args.logging_steps == 0
        if logged and state.global_step < state.max_steps and self._due():
            control.should_save = True
            control.should_training_stop = self.signal is not None

    def _due(self) -> bool:
        """Whether to save: a signal was received, or the time since the last save is over."""
        return self.signal is not None or time.monotonic() - self.saved >= self.seconds

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Hash the saved checkpoint, move it into place, and remove the oldest checkpoints."""
        (saved,) = self.incoming.glob("checkpoint-*")
        if self.log:
            self.log.write(saved / _ROLLOUTS)
        files = sha256_tree(saved)
        write_json(
            saved / _MANIFEST,
            {
                "files": files,
                "seconds": self.record.seconds,
                "resumed_at": self.record.resumed_at,
            },
        )
        saved.replace(self.folder / f"step-{state.global_step:07d}")
        for old in self._steps()[_KEPT:]:
            shutil.rmtree(old)
        self.saved = time.monotonic()

    def _steps(self) -> list[Path]:
        """The folders of the checkpoints, newest first."""
        return sorted(self.folder.glob("step-*"), reverse=True)

    def _newest(self, can_resume: Callable[[int], bool]) -> Path | None:
        """The newest usable checkpoint, None if there is none.

        Damaged checkpoints and checkpoints whose step can_resume rejects are named and removed.
        """
        for checkpoint in self._steps():
            damage = find_damage(checkpoint)
            if not damage and not can_resume(_step_of(checkpoint)):
                damage = "a model that was to be scored before it is not whole"
            if not damage:
                return checkpoint
            print(f"{checkpoint} is damaged and passed over: {damage}", file=sys.stderr)
            shutil.rmtree(checkpoint)
        return None

    def _continue_from(self, checkpoint: Path) -> None:
        """Restore the record and the log of a checkpoint. The trainer restores the weights."""
        manifest, step = read_json(checkpoint / _MANIFEST), _step_of(checkpoint)
        self.record.seconds_before = manifest["seconds"]
        self.record.resumed_at = [*manifest["resumed_at"], step]
        if self.log:
            self.log.read(checkpoint / _ROLLOUTS)
        print(f"going on from step {step}, {checkpoint}", file=sys.stderr)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Let a signal stop training at the next checkpoint. A second signal acts immediately."""

        def remember(number: int, frame: FrameType | None) -> None:
            self.signal = signal.Signals(number)
            for each, handler in before.items():
                signal.signal(each, handler)

        before = {number: signal.signal(number, remember) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @staticmethod
    def _size(trainer: Trainer) -> int:
        """The bytes of a checkpoint: the trainable weights and AdamW's two moments per weight."""
        assert trainer.model is not None
        trainable = [p for p in trainer.model.parameters() if p.requires_grad]
        return sum(3 * p.numel() * p.element_size() for p in trainable)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step-"))


def find_damage(checkpoint: Path) -> str | None:
    """A description of a checkpoint's damage, None if the checkpoint is complete."""
    try:
        expected = json.loads((checkpoint / _MANIFEST).read_text())["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{_MANIFEST}: {error}"
    try:
        difference = find_difference(checkpoint, expected)
    except StudyError as error:
        return str(error)
    if difference is None:
        return None
    name, is_there = difference
    return f"{name} differs from its hash" if is_there else f"{name} is missing"
