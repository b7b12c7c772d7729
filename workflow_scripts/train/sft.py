"""SFT: a base model learns one or both strategies from solutions of short problems.

    python -m workflow_scripts.train.sft PLAN

Only the response is learnt, not the prompt. The SFT seed decides the order of the examples and the
initialization of a LoRA adapter; the draw of the examples was decided by the same seed before.
Writes model/, log.csv and run.json (with the validation cross-entropy) into the output folder.
"""

from pathlib import Path
from random import Random

from transformers import PreTrainedTokenizerBase, set_seed

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.store import (
    MANIFEST,
    add_lora,
    load_model,
    load_tokenizer,
    prepare_torch,
    save_model,
)
from workflow_scripts.model.tokenizer import encode, user_turn
from workflow_scripts.task.datasets import read_dataset
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


def tokenize_examples(records: list[dict], tokenizer: PreTrainedTokenizerBase) -> list[Example]:
    prompts = encode(tokenizer, [user_turn(tokenizer, record["prompt"]) for record in records])
    responses = encode(tokenizer, [record["response"] for record in records])
    return [
        make_example([(prompt, False), (response, True)], tokenizer.eos_token_id)
        for prompt, response in zip(prompts, responses, strict=True)
    ]


def run_sft(
    settings: dict,
    seed: int,
    base: Path,
    data: Path,
    validation: list[Path],
    output: Path,
    checkpoint_seconds: float,
) -> None:
    """Fine-tune the base model on data, then measure cross-entropy on the validation sets.

    settings holds the sections ``model`` and ``sft`` of the configuration.
    """
    model_settings, sft = settings["model"], settings["sft"]
    device, dtype = model_settings["device"], model_settings["dtype"]
    inputs = [base / MANIFEST, data, *validation]
    record = RunRecord("workflow_scripts.train.sft", settings, seed, inputs)
    checkpoints = Checkpoints(output, record, checkpoint_seconds)
    prepare_torch(device, model_settings["threads"])
    set_seed(seed)
    tokenizer = load_tokenizer(base)
    is_lora = model_settings["adaptation"] == "lora"
    model = load_model(base, device, dtype, trainable=not is_lora)
    if is_lora:
        model = add_lora(model, model_settings["lora"])
    guard = WeightGuard(model)

    examples = tokenize_examples(read_dataset(data), tokenizer)
    held_out = {path.stem: tokenize_examples(read_dataset(path), tokenizer) for path in validation}
    lengths = [len(example["input_ids"]) for example in examples]
    rng = Random(f"sft order seed {seed}")
    order = [
        i for _ in range(sft["epochs"]) for i in order_batches(lengths, sft["batch_size"], rng)
    ]
    trainer = make_supervised_trainer(
        model,
        tokenizer,
        [examples[i] for i in order],
        sft,
        device,
        dtype,
        seed,
        checkpoints.incoming,
    )
    tokens_per_second = train_supervised(trainer, checkpoints, output)
    guard.check()

    measured = {}
    for name, held_out_examples in held_out.items():
        loss, n_tokens = cross_entropy(
            model, held_out_examples, sft["micro_batch_size"], tokenizer.pad_token_id
        )
        measured[name] = {"cross_entropy": loss, "n_tokens": n_tokens}
    files = save_model(model, tokenizer, output / "model")
    record.write(
        output / "run.json",
        device,
        n_trainable=guard.n_trainable,
        tokens_per_second=tokens_per_second,
        steps=len(order) // sft["batch_size"],
        validation=measured,
        files=files,
    )
    checkpoints.finish()


if __name__ == "__main__":
    run_stage(__doc__)
