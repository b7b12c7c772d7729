"""Supervised training through TRL's SFTTrainer, shared by the base model and SFT."""

from random import Random
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, PrinterCallback
from trl import SFTConfig, SFTTrainer

from workflow_scripts.model.store import LanguageModel

# Metrics shown beside the progress, and the columns of log.csv.
SHOWN = ("loss", "learning_rate")
LOGGED = ("loss", "grad_norm", "learning_rate")
# Batches among which examples are sorted by length, so that little of a batch is padding.
_SORTED_BATCHES = 16
_IGNORED = -100

Example = dict[str, list[int]]


def make_example(segments: list[tuple[list[int], bool]], end: int) -> Example:
    """Join token segments and the end token; labels cover the segments that are to be learnt."""
    ids: list[int] = []
    labels: list[int] = []
    for tokens, learnt in segments:
        ids += tokens
        labels += tokens if learnt else [_IGNORED] * len(tokens)
    return {"input_ids": [*ids, end], "labels": [*labels, end]}


def order_batches(lengths: list[int], batch_size: int, rng: Random) -> list[int]:
    """Return indices in the order of training: batches in random order, each of similar lengths.

    A random remainder that does not fill a batch is left out.
    """
    indices = list(range(len(lengths)))
    rng.shuffle(indices)
    del indices[len(indices) // batch_size * batch_size :]
    batches: list[list[int]] = []
    for start in range(0, len(indices), batch_size * _SORTED_BATCHES):
        some = sorted(
            indices[start : start + batch_size * _SORTED_BATCHES], key=lengths.__getitem__
        )
        batches += [some[i : i + batch_size] for i in range(0, len(some), batch_size)]
    rng.shuffle(batches)
    return [index for batch in batches for index in batch]


def make_supervised_trainer(
    model: LanguageModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: list[Example],
    arguments: dict[str, Any],
) -> SFTTrainer:
    """The trainer that takes examples in the order given, once; arguments as of trainer_arguments.

    The order holds all epochs: a resumed run then sees what an uninterrupted one does.
    """
    config = SFTConfig(
        **arguments,
        num_train_epochs=1,
        train_sampling_strategy="sequential",
        max_length=None,
        packing=False,
        logging_steps=10,
        logging_first_step=True,
        include_num_input_tokens_seen="non_padding",
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(examples),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


@torch.no_grad()
def cross_entropy(
    model: LanguageModel, examples: list[Example], batch_size: int, pad: int
) -> tuple[float, int]:
    """Mean negative log-likelihood of the learnt tokens in nats, and their number."""
    model.eval()
    total, n_tokens = 0.0, 0
    examples = sorted(examples, key=lambda example: len(example["input_ids"]))
    for start in range(0, len(examples), batch_size):
        batch = examples[start : start + batch_size]
        width = max(len(example["input_ids"]) for example in batch)
        ids = [e["input_ids"] + [pad] * (width - len(e["input_ids"])) for e in batch]
        labels = [e["labels"] + [_IGNORED] * (width - len(e["labels"])) for e in batch]
        # Padding stands right of every real token, so causal attention never sees it.
        logits = model(input_ids=torch.tensor(ids, device=model.device)).logits[:, :-1]
        targets = torch.tensor(labels, device=model.device)[:, 1:]
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), ignore_index=_IGNORED, reduction="sum"
        )
        total += loss.item()
        n_tokens += int((targets != _IGNORED).sum())
    return total / n_tokens, n_tokens
