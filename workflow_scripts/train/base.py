"""The base model of the offline tiers: a small Qwen2 trained from scratch on the base corpus.

    python -m workflow_scripts.train.base PLAN

The base model replaces a pre-trained model. The base corpus (see model.corpus) shows the field's
operations, single worked lines (written calculations) and lists of lines without values, but no
chain of worked lines, no guess and no strategy. A learnt token is a token that the loss covers.
Writes model/, log.csv and run.json into the run's folder.
"""

from random import Random

import torch
from transformers import PreTrainedTokenizerBase

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.corpus import draw_document
from workflow_scripts.model.store import LanguageModel, create_base_model
from workflow_scripts.model.tokenizer import encode, make_tokenizer
from workflow_scripts.settings.base import Base, BaseSettings, Corpus, CorpusShares
from workflow_scripts.settings.optimization import Optimization
from workflow_scripts.task.task import BaseTask
from workflow_scripts.train.run import TrainingRun, WeightGuard, trainer_arguments
from workflow_scripts.train.run_folder import RunFolder
from workflow_scripts.train.supervised import (
    LOGGED,
    SHOWN,
    Example,
    cross_entropy,
    make_example,
    make_supervised_trainer,
    order_batches,
)

# Every document is of the kind "lines": a program and single worked lines.
_ONLY_LINES = CorpusShares(facts=0, comparisons=0, lines=1, lists=0, walks=0, checks=0, links=0)


def draw_examples(
    rng: Random, n: int, task: BaseTask, corpus: Corpus, tokenizer: PreTrainedTokenizerBase
) -> list[Example]:
    """Draw n documents of the base corpus and tokenize them."""
    longest, shares = corpus.program_steps, corpus.shares
    documents = [draw_document(rng, task, longest, shares) for _ in range(n)]
    tokens = iter(encode(tokenizer, [text for document in documents for text, _ in document]))
    return [
        make_example([(next(tokens), learnt) for _, learnt in document], tokenizer.eos_token_id)
        for document in documents
    ]


@torch.no_grad()
def line_accuracy(model: LanguageModel, examples: list[Example]) -> float:
    """The share of documents in which every learnt token is predicted correctly.

    The prediction is the likeliest token, given the document's true tokens before it.
    """
    model.eval()
    right = 0
    for example in examples:
        logits = model(input_ids=torch.tensor([example["input_ids"]], device=model.device)).logits
        labels = torch.tensor(example["labels"][1:], device=model.device)
        right += bool(((logits[0, :-1].argmax(-1) == labels) | (labels < 0)).all())
    return right / len(examples)


def evaluate_base(
    model: LanguageModel, tokenizer: PreTrainedTokenizerBase, task: BaseTask, base: Base
) -> dict[str, float]:
    """Evaluate a base model on held-out documents.

    Returns the mean loss in nats per learnt token (loss), the number of learnt tokens (n_tokens),
    and line_accuracy on documents of the kind "lines" (line_accuracy).
    """
    corpus = base.corpus
    rng = Random("held-out base corpus")
    held_out = draw_examples(rng, corpus.heldout_documents, task, corpus, tokenizer)
    loss, n_tokens = cross_entropy(model, held_out, base.batch_size, tokenizer.pad_token_id)
    only_lines = corpus.model_copy(update={"shares": _ONLY_LINES})
    lines = draw_examples(rng, corpus.heldout_documents // 8, task, only_lines, tokenizer)
    return {"loss": loss, "n_tokens": n_tokens, "line_accuracy": line_accuracy(model, lines)}


def optimization_of(base: Base) -> Optimization:
    """The batch and optimizer settings of a base model's training."""
    return Optimization(
        batch_size=base.batch_size,
        micro_batch_size=base.batch_size,
        learning_rate=base.learning_rate,
        lr_schedule="linear",
        warmup_steps=base.warmup_steps,
        weight_decay=base.weight_decay,
        adam_beta2=base.adam_beta2,
        max_grad_norm=1.0,
    )


def run_base(settings: BaseSettings, run: RunFolder) -> None:
    """Train a base model, then evaluate the model on held-out documents."""
    task, base, compute = settings.task, settings.base, settings.model
    training = TrainingRun("workflow_scripts.train.base", settings, base.seed, [], run)
    tokenizer = make_tokenizer(task.field_size, task.n_variables)
    model = create_base_model(base, tokenizer)
    model.to(compute.device)  # type: ignore[arg-type]  # transformers' wrapper is untyped
    guard = WeightGuard(model)

    rng = Random(f"base corpus seed {base.seed}")
    examples = draw_examples(rng, base.steps * base.batch_size, task, base.corpus, tokenizer)
    lengths = [len(example["input_ids"]) for example in examples]
    order = order_batches(lengths, base.batch_size, rng)
    arguments = trainer_arguments(
        optimization_of(base), compute, base.seed, training.checkpoints.incoming
    )
    trainer = make_supervised_trainer(model, tokenizer, [examples[i] for i in order], arguments)
    tokens_per_second = training.train(trainer, SHOWN, LOGGED)
    guard.check()

    training.finish(
        model,
        tokenizer,
        n_trainable=guard.n_trainable,
        tokens_per_second=tokens_per_second,
        held_out=evaluate_base(model, tokenizer, task, base),
    )


if __name__ == "__main__":
    run_stage(__doc__)
