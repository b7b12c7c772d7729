"""The base model of the offline tiers: a small Qwen2 trained from scratch on the base corpus.

    python -m workflow_scripts.train.base PLAN

It stands in for a pre-trained model: it knows the field's facts, single lines and lists, and
was shown no chain of lines, no guess and no strategy (see model.corpus).
Writes model/, log.csv and run.json into the output folder.
"""

from pathlib import Path
from random import Random

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.corpus import draw_document
from workflow_scripts.model.store import create_base_model, prepare_torch, save_model
from workflow_scripts.model.tokenizer import encode, make_tokenizer
from workflow_scripts.train.checkpoints import Checkpoints
from workflow_scripts.train.run import RunRecord, WeightGuard
from workflow_scripts.train.supervised import (
    Example,
    cross_entropy,
    make_example,
    make_supervised_trainer,
    order_batches,
    train_supervised,
)


def draw_examples(
    rng: Random, n: int, task: dict, corpus: dict, tokenizer: PreTrainedTokenizerBase
) -> list[Example]:
    """Draw and tokenize n documents of the base corpus."""
    longest, shares = corpus["program_steps"], corpus["shares"]
    documents = [draw_document(rng, task, longest, shares) for _ in range(n)]
    tokens = iter(encode(tokenizer, [text for document in documents for text, _ in document]))
    return [
        make_example([(next(tokens), learnt) for _, learnt in document], tokenizer.eos_token_id)
        for document in documents
    ]


@torch.no_grad()
def line_accuracy(model: PreTrainedModel, examples: list[Example]) -> float:
    """Share of documents in which the likeliest token is right wherever one is to be learnt."""
    model.eval()
    right = 0
    for example in examples:
        logits = model(input_ids=torch.tensor([example["input_ids"]], device=model.device)).logits
        labels = torch.tensor(example["labels"][1:], device=model.device)
        right += bool(((logits[0, :-1].argmax(-1) == labels) | (labels < 0)).all())
    return right / len(examples)


def evaluate_base(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: dict, base: dict
) -> dict[str, float]:
    """Held-out loss in nats per learnt token, and the accuracy on documents of single lines."""
    corpus = base["corpus"]
    rng = Random("held-out base corpus")
    held_out = draw_examples(rng, corpus["heldout_documents"], task, corpus, tokenizer)
    loss, n_tokens = cross_entropy(model, held_out, base["batch_size"], tokenizer.pad_token_id)
    only_lines = {**corpus, "shares": {"lines": 1.0}}
    lines = draw_examples(rng, corpus["heldout_documents"] // 8, task, only_lines, tokenizer)
    return {"loss": loss, "n_tokens": n_tokens, "line_accuracy": line_accuracy(model, lines)}


def optimization_of(base: dict) -> dict:
    """The section ``base`` as the trainers take the optimization of a stage."""
    named = ("batch_size", "learning_rate", "warmup_steps", "weight_decay", "adam_beta2")
    return {
        **{key: base[key] for key in named},
        "micro_batch_size": base["batch_size"],
        "lr_schedule": "linear",
        "max_grad_norm": 1.0,
    }


def run_base(settings: dict, output: Path, checkpoint_seconds: float) -> None:
    """Train a base model; settings holds the sections ``task``, ``model`` and ``base``."""
    task, base, device = settings["task"], settings["base"], settings["model"]["device"]
    seed = base["seed"]
    record = RunRecord("workflow_scripts.train.base", settings, seed, inputs=[])
    checkpoints = Checkpoints(output, record, checkpoint_seconds)
    prepare_torch(device, settings["model"]["threads"])
    set_seed(seed)
    tokenizer = make_tokenizer(task["field_size"], task["n_variables"])
    model = create_base_model(base, tokenizer).to(device)
    guard = WeightGuard(model)

    rng = Random(f"base corpus seed {seed}")
    n_documents = base["steps"] * base["batch_size"]
    examples = draw_examples(rng, n_documents, task, base["corpus"], tokenizer)
    lengths = [len(example["input_ids"]) for example in examples]
    order = order_batches(lengths, base["batch_size"], rng)
    trainer = make_supervised_trainer(
        model,
        tokenizer,
        [examples[i] for i in order],
        optimization_of(base),
        device,
        settings["model"]["dtype"],
        seed,
        checkpoints.incoming,
    )
    tokens_per_second = train_supervised(trainer, checkpoints, output)
    guard.check()

    held_out = evaluate_base(model, tokenizer, task, base)
    files = save_model(model, tokenizer, output / "model")
    record.write(
        output / "run.json",
        device,
        n_trainable=guard.n_trainable,
        tokens_per_second=tokens_per_second,
        held_out=held_out,
        files=files,
    )
    checkpoints.finish()


if __name__ == "__main__":
    run_stage(__doc__)
