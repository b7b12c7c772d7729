"""SFT: a base model learns one or both strategies from solutions of short problems.

    python -m workflow_scripts.train.sft PLAN

Only the response is learnt, not the prompt. The SFT seed decides the order of the examples and the
initialization of a LoRA adapter; the same seed has decided which examples were drawn.
Writes model/, log.csv and run.json (with the validation cross-entropy) into the output folder.
"""

from pathlib import Path
from random import Random

from transformers import PreTrainedTokenizerBase

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.store import (
    MANIFEST,
    LanguageModel,
    add_lora,
    load_model,
    load_tokenizer,
)
from workflow_scripts.model.tokenizer import encode, user_turn
from workflow_scripts.settings.model import TrainedModel
from workflow_scripts.settings.sft import SftSettings
from workflow_scripts.task.datasets import Row, read_dataset
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


def tokenize_examples(rows: list[Row], tokenizer: PreTrainedTokenizerBase) -> list[Example]:
    """Tokenize the rows of an SFT set: of each, the response and its end are to be learnt.

    Raises StudyError, naming the text, for a word that the tokenizer does not know.
    """
    prompts = encode(tokenizer, [user_turn(tokenizer, row["prompt"]) for row in rows])
    responses = encode(tokenizer, [row["response"] for row in rows])
    return [
        make_example([(prompt, False), (response, True)], tokenizer.eos_token_id)
        for prompt, response in zip(prompts, responses, strict=True)
    ]


def load_trainable(base: Path, model: TrainedModel) -> LanguageModel:
    """Load a base model whose weights are to be trained, or those of a new adapter.

    The adapter is drawn from torch's global seed. Raises StudyError if the model is not whole.
    """
    if model.lora is None:
        return load_model(base, model, trainable=True)
    return add_lora(load_model(base, model), model.lora)


def run_sft(
    settings: SftSettings,
    seed: int,
    base: Path,
    data: Path,
    validation: list[Path],
    run: RunFolder,
) -> None:
    """Fine-tune the base model on data, then measure cross-entropy on the validation sets."""
    sft, inputs = settings.sft, [base / MANIFEST, data, *validation]
    training = TrainingRun("workflow_scripts.train.sft", settings, seed, inputs, run)
    tokenizer = load_tokenizer(base)
    model = load_trainable(base, settings.model)
    guard = WeightGuard(model)

    examples = tokenize_examples(read_dataset(data), tokenizer)
    held_out = {path.stem: tokenize_examples(read_dataset(path), tokenizer) for path in validation}
    lengths = [len(example["input_ids"]) for example in examples]
    rng = Random(f"sft order seed {seed}")
    order = [i for _ in range(sft.epochs) for i in order_batches(lengths, sft.batch_size, rng)]
    arguments = trainer_arguments(sft, settings.model, seed, training.checkpoints.incoming)
    trainer = make_supervised_trainer(model, tokenizer, [examples[i] for i in order], arguments)
    tokens_per_second = training.train(trainer, SHOWN, LOGGED)
    guard.check()

    measured = {}
    for name, held_out_examples in held_out.items():
        loss, n_tokens = cross_entropy(
            model, held_out_examples, sft.micro_batch_size, tokenizer.pad_token_id
        )
        measured[name] = {"cross_entropy": loss, "n_tokens": n_tokens}
    training.finish(
        model,
        tokenizer,
        n_trainable=guard.n_trainable,
        tokens_per_second=tokens_per_second,
        steps=len(order) // sft.batch_size,
        validation=measured,
    )


if __name__ == "__main__":
    run_stage(__doc__)
