"""Sample completions, by the faster of two decode loops: the module that chooses between them.

The fast loop (model.fast_generate) samples plain Qwen2 models: float32, on a CPU, without an
adapter. The reference loop (model.reference_generate) samples every model that transformers knows.
load_to_sample chooses for a saved model, fold_if_plain for a model in training, of which the update
(train.lean_grpo) asks the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import torch
from safetensors.torch import load_file

from workflow_scripts.common.files import read_json
from workflow_scripts.model.draw import SamplingParameters
from workflow_scripts.model.fast_generate import fast_generate
from workflow_scripts.model.manifest import verify_model
from workflow_scripts.model.qwen2 import Architecture, Qwen2
from workflow_scripts.settings.model import Compute

if TYPE_CHECKING:
    from workflow_scripts.model.store import LanguageModel

# A model to sample from: of the fast code, or of transformers.
Policy: TypeAlias = "Qwen2 | LanguageModel"

FAST, REFERENCE = "fast", "transformers"


def fold_if_plain(model: LanguageModel, autocast: bool) -> Qwen2 | None:
    """A model in training with its present weights, for the fast code; None if it is not plain.

    autocast says whether the trainer computes in bfloat16. Gradients of the result reach the
    model's weights.
    """
    weights = dict(model.named_parameters())
    has_adapter = "model.embed_tokens.weight" not in weights  # peft gives weights other names
    kinds = {(weight.dtype, weight.device.type) for weight in weights.values()}
    if autocast or has_adapter or kinds != {(torch.float32, "cpu")}:
        return None
    architecture = Architecture.of(model.config.to_dict())
    return None if architecture is None else Qwen2.fold(architecture, weights)


def load_to_sample(folder: Path, compute: Compute) -> Policy:
    """Verify and load a model that will only be sampled.

    A plain model is loaded without transformers, whose import takes seconds. Raises StudyError,
    naming the file, if a file of the model is missing or altered.
    """
    config, weights = folder / "config.json", folder / "model.safetensors"
    # A folder with an adapter has no configuration, and that of a large model several weight files.
    is_whole = config.is_file() and weights.is_file()
    if is_whole and (compute.device, compute.dtype) == ("cpu", "float32"):
        architecture = Architecture.of(read_json(config))
        if architecture is not None:
            verify_model(folder)
            loaded = load_file(weights)
            return Qwen2.fold(architecture, {name: w.float() for name, w in loaded.items()})
    from workflow_scripts.model.store import load_model

    return load_model(folder, compute)


def implementation(model: Policy) -> str:
    """The name, for records, of the code that computes a model."""
    return FAST if isinstance(model, Qwen2) else REFERENCE


def generate(
    model: Policy,
    prompts: list[list[int]],
    n_samples: int,
    parameters: SamplingParameters,
    generator: torch.Generator,
) -> list[list[int]]:
    """Sample n_samples completions of each prompt. The completions of one prompt are adjacent.

    prompts are lists of token ids, of any lengths. A completion includes its end token; a
    completion without an end token was cut off at max_new_tokens. generator is one of
    draw.make_generator, for the model's device.
    """
    if isinstance(model, Qwen2):
        return fast_generate(model, prompts, n_samples, parameters, generator)
    from workflow_scripts.model.reference_generate import reference_generate

    return reference_generate(model, prompts, n_samples, parameters, generator)
