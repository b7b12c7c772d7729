"""Models on disk: created, loaded, verified and saved. Safetensors only, no remote code."""

import shutil
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.utils import logging as transformers_logging

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import find_difference, read_json, sha256_tree, write_json
from workflow_scripts.model.gpus import claim_gpu
from workflow_scripts.model.shape import Shape
from workflow_scripts.settings.base import Base
from workflow_scripts.settings.model import Compute, Lora

LanguageModel = PreTrainedModel | PeftModel

# The hashes of a model folder's files. Written last: a folder without one is not whole.
MANIFEST = "manifest.json"


def prepare_torch(compute: Compute) -> None:
    """Set the number of threads, which is part of a run's settings, and take a GPU if asked for.

    Raises StudyError if there is no GPU.
    """
    torch.set_num_threads(compute.threads)
    transformers_logging.disable_progress_bar()
    if compute.device == "cuda":
        claim_gpu()
        if not torch.cuda.is_available():
            raise StudyError(
                "model.device is cuda and no GPU is visible: run on one, or set it to cpu"
            )
        # Adapters are float32 beside a bfloat16 model: without TF32 they would cost more than it.
        torch.set_float32_matmul_precision("high")


def make_config(shape: Shape, tokenizer: PreTrainedTokenizerBase, **options: Any) -> Qwen2Config:
    """The configuration of a Qwen2 of a shape; options are those of Qwen2Config."""
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
    """A Qwen2 of the size of a base model, with random weights drawn from torch's global seed."""
    shape, spread = Shape.of_base(base, len(tokenizer)), base.initializer_range
    config = make_config(shape, tokenizer, initializer_range=spread, max_position_embeddings=512)
    return Qwen2ForCausalLM(config)


def verify_model(folder: Path) -> dict[str, str]:
    """Return the hashes of a model folder's files.

    Raises StudyError if the folder is missing, or a file is missing, cut short or altered.
    """
    expected = read_json(folder / MANIFEST)["files"]
    if difference := find_difference(folder, expected):
        name, is_there = difference
        reason = "differs from its hash in" if is_there else "is missing, named by"
        raise StudyError(
            f"{folder / name} {reason} {folder / MANIFEST}: run snakemake again, which makes it "
            "anew, or restore the folder if it came with the project"
        )
    return expected


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load tokenizer.json as it is.

    AutoTokenizer would go by the architecture, and give every Qwen2 the rules of Qwen's tokenizer.
    """
    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def load_model(folder: Path, compute: Compute, trainable: bool = False) -> LanguageModel:
    """Load a verified model: full weights, or a LoRA adapter upon the base model it names.

    Weights that are to be trained are float32 whatever dtype, which the trainers compute in: the
    updates of bfloat16 weights are lost to rounding. peft sees to this for adapters.
    Raises StudyError, naming the file, if the model or its base model is not whole.
    """
    verify_model(folder)
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
    """Wrap a model with a new LoRA adapter, drawn from torch's global seed."""
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
    """Save weights (of LoRA: the adapter), tokenizer and manifest; return the files' hashes."""
    shutil.rmtree(folder, ignore_errors=True)
    if isinstance(model, PeftModel):
        adapter = cast(LoraConfig, model.peft_config["default"])
        # peft makes a set of them, which is written in an order that changes from run to run.
        adapter.target_modules = sorted(adapter.target_modules or ())
        model.save_pretrained(
            str(folder), selected_adapters=["default"], save_embedding_layers=False
        )
        (folder / "README.md").unlink()  # peft's empty model card
    else:
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    files = sha256_tree(folder)
    write_json(folder / MANIFEST, {"files": files})
    return files
