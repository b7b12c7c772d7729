"""What every training stage shares: guards around the weights, and the record of the run."""

import hashlib
import time
from pathlib import Path

import torch
from transformers import PreTrainedModel

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import sha256, write_json
from workflow_scripts.common.jobs import digest
from workflow_scripts.common.provenance import code_hash, git_commit, package_versions
from workflow_scripts.model.device import device_name, peak_memory_mib

# transformers' own "constant" ignores warm-up steps.
_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


def trainer_arguments(optimization: dict, device: str, dtype: str, seed: int, output: Path) -> dict:
    """What TRL's trainers are told alike: batches, optimizer, device; no side effects."""
    micro = optimization["micro_batch_size"]
    return {
        "output_dir": str(output),
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": optimization["batch_size"] // micro,
        "learning_rate": optimization["learning_rate"],
        "lr_scheduler_type": _SCHEDULES[optimization["lr_schedule"]],
        "warmup_steps": optimization["warmup_steps"],
        "weight_decay": optimization["weight_decay"],
        "adam_beta2": optimization["adam_beta2"],
        "max_grad_norm": optimization["max_grad_norm"],
        "optim": "adamw_torch",
        "seed": seed,
        "use_cpu": device == "cpu",
        "bf16": dtype == "bfloat16",
        "activation_checkpointing": False,
        "shuffle_dataset": False,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }


def _weights_hash(models: list[PreTrainedModel], trainable: bool) -> str:
    digest = hashlib.sha256()
    for model in models:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad == trainable:
                digest.update(name.encode())
                content = parameter.detach().cpu().contiguous().view(torch.uint8)
                digest.update(content.numpy().tobytes())
    return digest.hexdigest()


class WeightGuard:
    """Checks that training moves the trainable weights, and no others.

    reference is the reference model of the KL term, where it is a model of its own.
    """

    def __init__(self, model: PreTrainedModel, reference: PreTrainedModel | None = None):
        self.models = [model] if reference is None else [model, reference.requires_grad_(False)]
        self.n_trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        if not self.n_trainable:
            raise StudyError("the model has no trainable parameters")
        self.trainable = _weights_hash(self.models, trainable=True)
        self.frozen = _weights_hash(self.models, trainable=False)

    def check(self, must_move: bool = True) -> None:
        if must_move and _weights_hash(self.models, trainable=True) == self.trainable:
            raise StudyError("training ended with the weights it began with")
        if _weights_hash(self.models, trainable=False) != self.frozen:
            raise StudyError("training changed weights that it must not change")


class RunRecord:
    """Collects run.json: settings, seed, code, inputs, packages, device, time, memory and results.

    seconds_before and resumed_at are those of a run that goes on: the time that its checkpoint
    took, and the steps at which it was taken up again.
    """

    def __init__(self, module: str, settings: dict, seed: int, inputs: list[Path]):
        self.started, self.seconds_before = time.time(), 0.0
        self.resumed_at: list[int] = []
        self.defining = {
            "stage": module,
            "settings": settings,
            "seed": seed,
            "code_hash": code_hash(module),
            "inputs": {str(path): sha256(path) for path in inputs},
            "packages": package_versions(module),
        }

    @property
    def identity(self) -> str:
        """A hash of all that decides the run's result."""
        return digest(self.defining)

    @property
    def seconds(self) -> float:
        return round(self.seconds_before + time.time() - self.started, 2)

    def write(self, path: Path, device: str, **results) -> None:
        """Write the record, as the last of a run's outputs."""
        record = {
            **self.defining,
            "commit": git_commit(),
            "device": device_name(device),
            "wall_seconds": self.seconds,
            "peak_memory_mib": peak_memory_mib(device),
            "resumed_at": self.resumed_at,
            **results,
        }
        write_json(path, record)
