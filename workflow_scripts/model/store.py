"""Create, load, verify and save models.

Weights are read and written as safetensors only. No code from a model's repository is run.
"""

import shutil
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.utils import logging as transformers_logging

from workflow_scripts.common.files import read_json, sha256_tree, write_json
from workflow_scripts.model.manifest import MANIFEST, verify_model
from workflow_scripts.model.shape import Shape
from workflow_scripts.settings.base import Base
from workflow_scripts.settings.model import Compute, Lora

LanguageModel = PreTrainedModel | PeftModel


def make_config(shape: Shape, tokenizer: PreTrainedTokenizerBase, **options: Any) -> Qwen2Config:
    """The configuration of a Qwen2 model of a given shape. options are passed to Qwen2Config."""
    return Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        intermediate_size=shape.mlp_size,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **options,
    )


def create_base_model(base: Base, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A Qwen2 model with the sizes in base and random weights from torch's global generator."""
    shape, spread = Shape.of_base(base, len(tokenizer)), base.initializer_range
    config = make_config(shape, tokenizer, initializer_range=spread, max_position_embeddings=512)
    return Qwen2ForCausalLM(config)


def load_model(folder: Path, compute: Compute, trainable: bool = False) -> LanguageModel:
    """Verify and load a model: full weights, or a LoRA adapter and its base model.

    Trainable weights are float32 whatever compute.dtype is, because rounding would cancel small
    updates of bfloat16 weights. (Trainers still compute in compute.dtype. peft converts adapters.)
    Raises StudyError, naming the file, if the model or its base model is incomplete or altered.
    """
    verify_model(folder)
    transformers_logging.disable_progress_bar()
    options: dict[str, Any] = {
        "dtype": getattr(torch, compute.dtype),
        "local_files_only": True,
        "use_safetensors": True,
    }
    adapter = folder / "adapter_config.json"
    if not adapter.is_file():
        if trainable:
            options["dtype"] = torch.float32
        whole: Any = AutoModelForCausalLM.from_pretrained(folder, **options)
        return whole.to(compute.device)
    base = Path(read_json(adapter)["base_model_name_or_path"])
    verify_model(base)
    model = AutoModelForCausalLM.from_pretrained(base, **options)
    return PeftModel.from_pretrained(model, folder, is_trainable=trainable).to(compute.device)


def add_lora(model: LanguageModel, lora: Lora) -> PeftModel:
    """Add a new LoRA adapter to a model. Initial weights come from torch's global generator."""
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def save_model(
    model: LanguageModel, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> dict[str, str]:
    """Save weights, tokenizer and manifest. Returns the hashes of the files, keyed by path.

    Of a model with a LoRA adapter, only the adapter's weights are saved. An existing folder is
    replaced.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if isinstance(model, PeftModel):
        adapter = cast(LoraConfig, model.peft_config["default"])
        # peft keeps target_modules as a set, whose order in the saved file varies between runs.
        adapter.target_modules = sorted(adapter.target_modules or ())
        model.save_pretrained(
            str(folder), selected_adapters=["default"], save_embedding_layers=False
        )
        (folder / "README.md").unlink()  # an empty model card
    else:
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    files = sha256_tree(folder)
    write_json(folder / MANIFEST, {"files": files})
    return files
