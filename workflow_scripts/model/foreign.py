"""Models that this project did not make: Hugging Face folders without a manifest.

Weights are read as safetensors only, and no code of a model's folder is run.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedConfig
from transformers.utils import logging as transformers_logging

from workflow_scripts.common.errors import StudyError
from workflow_scripts.model.generate import Policy, fold_if_plain
from workflow_scripts.model.manifest import MANIFEST, verify_model
from workflow_scripts.model.text_codec import TextCodec, load_codec
from workflow_scripts.settings.model import Compute

_NEEDED = {
    "config.json": "save a whole model there; an adapter must be merged into its base model first",
    "*.safetensors": 'save the weights with model.save_pretrained("folder")',
    "tokenizer.json": 'save a fast tokenizer with tokenizer.save_pretrained("folder")',
}


def _refuse_incomplete(folder: Path) -> None:
    if not folder.is_dir():
        raise StudyError(f"{folder}: no such folder; a model is named by its folder")
    for pattern, remedy in _NEEDED.items():
        if not any(folder.glob(pattern)):
            raise StudyError(f"{folder} holds no {pattern}: {remedy}")


def refuse_other_caches(config: PreTrainedConfig) -> None:
    """Raise StudyError unless every layer attends to the whole text.

    The decode loop (model.reference_generate) keeps all keys and values of each layer. Layers with
    a sliding window or a recurrent state would silently compute something else.
    """
    layers = DynamicCache(config=config).layers
    if other := sorted({type(layer).__name__ for layer in layers} - {"DynamicLayer"}):
        raise StudyError(
            f"a {config.model_type} model has layers that do not attend to the whole text "
            f"({', '.join(other)}): sample it with another program and score its responses"
        )


def load_foreign(folder: Path, compute: Compute) -> tuple[Policy, TextCodec]:
    """Load a causal language model and its codec from a folder.

    A manifest is verified if there is one. Raises StudyError if the folder is incomplete, needs
    code of its own, or holds a model that model.generate cannot sample.
    """
    _refuse_incomplete(folder)
    if (folder / MANIFEST).is_file():
        verify_model(folder)
    transformers_logging.disable_progress_bar()
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, compute.dtype),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StudyError(f"{folder}: transformers cannot load the model ({reason})") from None
    refuse_other_caches(model.config)
    codec = load_codec(folder)
    if codec.end is None:
        raise StudyError(f"{folder}: the tokenizer names no eos_token, which ends a response")
    model = model.to(compute.device).eval()
    with torch.no_grad():
        return fold_if_plain(model, autocast=False) or model, codec
