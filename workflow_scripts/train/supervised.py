"""Supervised training with TRL's SFTTrainer, shared by base model training and SFT.

A learnt token is a token that the loss covers. The label of every other token is -100.
"""

from random import Random
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, PrinterCallback
from trl import SFTConfig, SFTTrainer

from workflow_scripts.model.store import LanguageModel

# SHOWN: metrics on the progress line. LOGGED: metrics in the columns of log.csv.
SHOWN = ("loss", "learning_rate")
LOGGED = ("loss", "grad_norm", "learning_rate")
# Examples are sorted by length within groups of this many batches, to reduce padding.
_SORTED_BATCHES = 16
_IGNORED = -100

Example = dict[str, list[int]]


def make_example(segments: list[tuple[list[int], bool]], end: int) -> Example:
    """Join segments (token ids, whether the tokens are learnt) and the end token to an example.

    The end token is always learnt.
    """
    ids: list[int] = []
    labels: list[int] = []
    for tokens, learnt in segments:
        ids += tokens
        labels += tokens if learnt else [_IGNORED] * len(tokens)
    return {"input_ids": [*ids, end], "labels": [*labels, end]}


def order_batches(lengths: list[int], batch_size: int, rng: Random) -> list[int]:
    """The example indices of one epoch, in training order.

    lengths are numbers of tokens. Batches are in random order, and the examples of a batch have
    similar lengths. Randomly chosen examples that do not fill a last batch are left out.
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
    """Make a trainer that uses each of the examples once, in the given order.

    examples contains all epochs, so that a resumed run sees the same examples as an uninterrupted
    run. arguments come from trainer_arguments.
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
    """The mean negative log-likelihood per learnt token, in nats, and the number of learnt tokens.

    pad is the id of the padding token.
    """
    model.eval()
    total, n_tokens = 0.0, 0
    examples = sorted(examples, key=lambda example: len(example["input_ids"]))
    for start in range(0, len(examples), batch_size):
        batch = examples[start : start + batch_size]
        width = max(len(example["input_ids"]) for example in batch)
        ids = [e["input_ids"] + [pad] * (width - len(e["input_ids"])) for e in batch]
        labels = [e["labels"] + [_IGNORED] * (width - len(e["labels"])) for e in batch]
        # Padding is right of all real tokens, so causal attention from real tokens ignores padding.
        logits = model(input_ids=torch.tensor(ids, device=model.device)).logits[:, :-1]
        targets = torch.tensor(labels, device=model.device)[:, 1:]
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), ignore_index=_IGNORED, reduction="sum"
        )
        total += loss.item()
        n_tokens += int((targets != _IGNORED).sum())
    return total / n_tokens, n_tokens
