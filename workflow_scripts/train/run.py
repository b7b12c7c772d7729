"""Shared by the three training stages: trainer arguments, a run's files, a check of weights."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, Trainer, set_seed

from workflow_scripts.common.errors import StudyError
from workflow_scripts.model.device import prepare_torch
from workflow_scripts.model.store import LanguageModel, save_model
from workflow_scripts.settings.model import Compute, RunSettings
from workflow_scripts.settings.optimization import Optimization
from workflow_scripts.train.checkpoints import Checkpoints, Log
from workflow_scripts.train.curves import curves_of
from workflow_scripts.train.record import RunRecord
from workflow_scripts.train.run_folder import RunFolder
from workflow_scripts.train.step_log import Progress, write_step_table

# "constant" needs another name because transformers' "constant" ignores warm-up steps.
_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


def trainer_arguments(
    optimization: Optimization, compute: Compute, seed: int, output: Path
) -> dict[str, Any]:
    """The arguments that TRL's trainers share: batches, optimizer, device.

    Shuffling, reports and saves at fixed steps are off. output is the folder for checkpoints.
    """
    micro = optimization.micro_batch_size
    return {
        "output_dir": str(output),
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": optimization.batch_size // micro,
        "learning_rate": optimization.learning_rate,
        "lr_scheduler_type": _SCHEDULES[optimization.lr_schedule],
        "warmup_steps": optimization.warmup_steps,
        "weight_decay": optimization.weight_decay,
        "adam_beta2": optimization.adam_beta2,
        "max_grad_norm": optimization.max_grad_norm,
        "optim": "adamw_torch",
        "seed": seed,
        "use_cpu": compute.device == "cpu",
        "bf16": compute.dtype == "bfloat16",
        "activation_checkpointing": False,
        "shuffle_dataset": False,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }


class TrainingRun:
    """One run of a training stage, from its setup to its record (run.json).

    The constructor locks the folder, sets up torch and seeds all random number generators. stage is
    the name of the stage's module, inputs are the files that the stage reads. log is a log besides
    the trainer's own (in RL, the rollouts). Raises StudyError if another process works on the run,
    or if the device is not there (see model.device).
    """

    def __init__(
        self,
        stage: str,
        settings: RunSettings,
        seed: int,
        inputs: list[Path],
        folder: RunFolder,
        log: Log | None = None,
    ) -> None:
        self.folder, self.device = folder, settings.model.device
        self.record = RunRecord(stage, settings.model_dump(mode="json"), seed, inputs)
        self.checkpoints = Checkpoints(folder, self.record, log)
        prepare_torch(settings.model)
        set_seed(seed)

    def train(
        self,
        trainer: Trainer,
        shown: tuple[str, ...],
        logged: tuple[str, ...],
        can_resume: Callable[[int], bool] = lambda _: True,
    ) -> float:
        """Train to the end, from the newest checkpoint whose step can_resume accepts.

        shown are the metrics on the progress line, logged the columns of log.csv. Returns the mean
        rate in tokens (of prompts and responses) per second. Raises as Checkpoints.train does.
        """
        progress = Progress(self.folder.folder.name, shown)
        for callback in (progress, *curves_of(self.folder.folder)):
            trainer.add_callback(callback)
        self.checkpoints.train(trainer, can_resume)
        write_step_table(self.folder.log, trainer.state.log_history, logged)
        return progress.tokens_per_second

    def finish(
        self,
        model: LanguageModel,
        tokenizer: PreTrainedTokenizerBase,
        **results: Any,
    ) -> None:
        """Save the model, write run.json with the results, and unlock the folder."""
        files = save_model(model, tokenizer, self.folder.model)
        self.record.write(self.folder.record, self.device, **results, files=files)
        self.checkpoints.finish()


def _weights_hash(models: list[LanguageModel], trainable: bool) -> str:
    """A hash of the names and values of all trainable weights, or of all frozen weights."""
    digest = hashlib.sha256()
    for model in models:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad == trainable:
                digest.update(name.encode())
                content = parameter.detach().cpu().contiguous().view(torch.uint8)
                digest.update(content.numpy().tobytes())
    return digest.hexdigest()


class WeightGuard:
    """Checks that training changes the trainable weights, and no others.

    reference is the reference model of the KL term, if that is a separate model. The constructor
    raises StudyError if no weight of the model is trainable.
    """

    def __init__(self, model: LanguageModel, reference: LanguageModel | None = None) -> None:
        self.models = [model] if reference is None else [model, reference.requires_grad_(False)]
        self.n_trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        if not self.n_trainable:
            raise StudyError("the model has no trainable parameters")
        self.trainable = _weights_hash(self.models, trainable=True)
        self.frozen = _weights_hash(self.models, trainable=False)

    def check(self, must_move: bool = True) -> None:
        """Raise StudyError if frozen weights changed, or if trainable weights did not.

        With must_move False, unchanged trainable weights are allowed.
        """
        if must_move and _weights_hash(self.models, trainable=True) == self.trainable:
            raise StudyError("training ended with the weights it began with")
        if _weights_hash(self.models, trainable=False) != self.frozen:
            raise StudyError("training changed weights that it must not change")
