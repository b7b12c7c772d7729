"""Supervised training through TRL's SFTTrainer, shared by the base model and SFT."""

from pathlib import Path
from random import Random

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
from trl import SFTConfig, SFTTrainer

from workflow_scripts.train.checkpoints import Checkpoints
from workflow_scripts.train.run import trainer_arguments
from workflow_scripts.train.step_log import Progress, write_step_table

# Batches among which examples are sorted by length, so that little of a batch is padding.
_SORTED_BATCHES = 16
_IGNORED = -100

Example = dict[str, list[int]]


def make_example(segments: list[tuple[list[int], bool]], end: int) -> Example:
    """Join token segments and the end token; labels cover the segments that are to be learnt."""
    ids, labels = [], []
    for tokens, learnt in segments:
        ids += tokens
        labels += tokens if learnt else [_IGNORED] * len(tokens)
    return {"input_ids": [*ids, end], "labels": [*labels, end]}


def order_batches(lengths: list[int], batch_size: int, rng: Random) -> list[int]:
    """Return indices in a random order of whole batches of similar length.

    What does not fill a batch, a random remainder, is left out.
    """
    indices = list(range(len(lengths)))
    rng.shuffle(indices)
    del indices[len(indices) // batch_size * batch_size :]
    batches = []
    for start in range(0, len(indices), batch_size * _SORTED_BATCHES):
        some = sorted(
            indices[start : start + batch_size * _SORTED_BATCHES], key=lengths.__getitem__
        )
        batches += [some[i : i + batch_size] for i in range(0, len(some), batch_size)]
    rng.shuffle(batches)
    return [index for batch in batches for index in batch]


def make_supervised_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: list[Example],
    optimization: dict,
    device: str,
    dtype: str,
    seed: int,
    output: Path,
) -> SFTTrainer:
    """The trainer that takes examples in the order given, once.

    The order holds all epochs: a resumed run then sees what an uninterrupted one does.
    """
    config = SFTConfig(
        **trainer_arguments(optimization, device, dtype, seed, output),
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


def train_supervised(trainer: SFTTrainer, checkpoints: Checkpoints, output: Path) -> float:
    """Train to the end; write log.csv below output.

    Returns the tokens trained on per second.
    """
    progress = Progress(output.name, ("loss", "learning_rate"))
    trainer.add_callback(progress)
    checkpoints.train(trainer)
    write_step_table(
        output / "log.csv", trainer.state.log_history, ("loss", "grad_norm", "learning_rate")
    )
    return progress.tokens_per_second


@torch.no_grad()
def cross_entropy(
    model: PreTrainedModel, examples: list[Example], batch_size: int, pad: int
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
