"""Checkpoints of a training run, from which it goes on after any interruption.

They lie in a scratch folder of the run, named by all that decides its result: settings, seed, code,
inputs and packages. What was saved under other settings is therefore never continued. A checkpoint
is saved by the trainer, hashed, and moved into place, so that it is there as a whole or not at all.
One that differs from its hashes is passed over, and the one before it is used.
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
_KEPT = 2  # the newest, and the one before it
# A scheduler's time limit, preemption, a person at the terminal, a terminal that was closed.
_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)


class Log(Protocol):
    """What a run writes as it goes, and takes up again."""

    def read(self, path: Path) -> None:
        """Take up what was written."""
        ...

    def write(self, path: Path) -> None:
        """Write what there is so far."""
        ...


class Checkpoints(TrainerCallback):
    """Saves a run's state every so many seconds, between an update and the next rollouts.

    log, the rollouts so far, is saved and continued with the weights. Raises StudyError if another
    process works on the run.
    """

    def __init__(self, run: RunFolder, record: RunRecord, log: Log | None = None) -> None:
        self.folder = run.scratch / record.identity
        self.incoming = self.folder / "incoming"
        self.record, self.seconds, self.log = record, run.checkpoint_seconds, log
        self.signal: signal.Signals | None = None
        self.saved = time.monotonic()
        # A run whose snakemake was killed may still be at work.
        self.lock = lock_folder(run.folder)
        shutil.rmtree(self.incoming, ignore_errors=True)

    def train(self, trainer: Trainer, can_resume: Callable[[int], bool] = lambda _: True) -> None:
        """Train to the end, from the newest whole checkpoint whose step can_resume accepts.

        Raises Temporary if a signal ended training, or the disk is full.
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
        """Let another process work on the run; its scratch folder is removed with its receipt."""
        unlock_folder(self.lock)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Count the seconds until the first checkpoint."""
        self.saved = time.monotonic()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Ask the trainer to save if it is time, and to stop if a signal came."""
        # A logged loss is a mean over the steps since the last one: save where that is none.
        logged = state.global_step % args.logging_steps == 0
        if logged and state.global_step < state.max_steps and self._due():
            control.should_save = True
            control.should_training_stop = self.signal is not None

    def _due(self) -> bool:
        return self.signal is not None or time.monotonic() - self.saved >= self.seconds

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Hash what the trainer has saved, move it into place, and remove what is too old."""
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
        """The checkpoints, the newest first."""
        return sorted(self.folder.glob("step-*"), reverse=True)

    def _newest(self, can_resume: Callable[[int], bool]) -> Path | None:
        """The newest whole checkpoint; those that are damaged are named in the log, and removed."""
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
        manifest, step = read_json(checkpoint / _MANIFEST), _step_of(checkpoint)
        self.record.seconds_before = manifest["seconds"]
        self.record.resumed_at = [*manifest["resumed_at"], step]
        if self.log:
            self.log.read(checkpoint / _ROLLOUTS)
        print(f"going on from step {step}, {checkpoint}", file=sys.stderr)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Let signals end training at the next checkpoint; a second one ends it at once."""

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
        """Bytes of a checkpoint: the trainable weights, and AdamW's two moments of each."""
        assert trainer.model is not None
        trainable = [p for p in trainer.model.parameters() if p.requires_grad]
        return sum(3 * p.numel() * p.element_size() for p in trainable)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step-"))


def find_damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, None if it is whole."""
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
