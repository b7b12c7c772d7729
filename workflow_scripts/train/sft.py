"""SFT: a base model learns one or both strategies from solutions of short problems.

    python -m workflow_scripts.train.sft PLAN

The loss covers only the response and its end token, not the prompt. The SFT seed determines the
order of the examples and the initial weights of a LoRA adapter. The examples were drawn with the
same seed. Writes model/, log.csv and run.json (with the validation cross-entropy) into the run's
folder.
"""

from pathlib import Path
from random import Random

from transformers import PreTrainedTokenizerBase

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.manifest import MANIFEST
from workflow_scripts.model.store import LanguageModel, add_lora, load_model
from workflow_scripts.model.tokenizer import encode, load_tokenizer, user_turn
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
    """Tokenize the rows of an SFT set. The loss will cover each response and its end token.

    Raises StudyError, naming the text, if a word is not in the tokenizer's vocabulary.
    """
    prompts = encode(tokenizer, [user_turn(tokenizer, row["prompt"]) for row in rows])
    responses = encode(tokenizer, [row["response"] for row in rows])
    return [
        make_example([(prompt, False), (response, True)], tokenizer.eos_token_id)
        for prompt, response in zip(prompts, responses, strict=True)
    ]


def load_trainable(base: Path, model: TrainedModel) -> LanguageModel:
    """Load a base model for training: with all weights trainable, or with a new LoRA adapter.

    The adapter's initial weights come from torch's global generator. Raises StudyError if the base
    model is incomplete or altered.
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
    """Fine-tune the base model on data, then measure the cross-entropy on validation sets.

    validation lists files of validation problems with solutions (see datasets.make_heldout).
    """
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
