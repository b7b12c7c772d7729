"""Measure the time of steps and rollouts of the GPU tiers on this GPU, in at most 20 minutes.

    make gpu-check

For each tier, a model of the tier's shape with random weights is trained by SFT and RL and then
sampled, with the code and the batch sizes of the tier's stages. A model with random weights rarely
ends a response. Nearly every response therefore has `rl.max_new_tokens` tokens, so that the longest
steps and rollouts are measured. Such a model also earns no reward, and groups of equal rewards can
take less time. Every second completion therefore gets a reward here.

Writes rates.json and rates.md. `snakemake cost` reads the rates from results/reference/gpu.
"""

import argparse
import gc
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2ForCausalLM,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from trl.trainer.utils import compute_flops_per_token, get_peak_flops

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import run_program, write_json, write_text
from workflow_scripts.common.provenance import git_commit
from workflow_scripts.evaluate.sample import sample_model
from workflow_scripts.model.device import device_name, peak_memory_mib, prepare_torch
from workflow_scripts.model.gpus import claim_gpu
from workflow_scripts.model.shape import Shape
from workflow_scripts.model.store import (
    LanguageModel,
    create_base_model,
    load_model,
    make_config,
    save_model,
)
from workflow_scripts.model.tokenizer import (
    END,
    PAD,
    UNKNOWN,
    TransformersCodec,
    encode,
    make_tokenizer,
)
from workflow_scripts.plan.configuration import read_tier
from workflow_scripts.plan.settings import Settings
from workflow_scripts.plan.study import Study
from workflow_scripts.settings.optimization import Optimization
from workflow_scripts.task.datasets import Row, draw_prompts, draw_sft, write_dataset
from workflow_scripts.train.base import draw_examples, optimization_of
from workflow_scripts.train.grpo import RlInputs, make_trainer
from workflow_scripts.train.rollout_log import RolloutLog
from workflow_scripts.train.run import trainer_arguments
from workflow_scripts.train.sft import load_trainable, tokenize_examples
from workflow_scripts.train.supervised import Example, make_supervised_trainer, order_batches

TIERS = ("gpu", "paper")  # the faster tier first
MINUTES = 20
WARM_UP = 1  # steps
MEASURED = {"base": 10, "sft": 10, "rl": 3}  # steps

# Qwen's tokenizer splits text by this pattern. It then looks up each piece, or parts of the piece,
# in its vocabulary.
_QWEN_PIECE = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_NOTES = """\
Every batch goes on to the limit of a response, so steps and rollouts are timed at their longest.
Prompts and solutions are the task's own, in the tokens of the tier's tokenizer. That of a model
from the hub is stood in for by the pieces into which it splits text before it looks them up, which
are its tokens or hold them; its chat template, some 35 tokens for each prompt, is left out.

Share of peak: forward FLOPs per token x passes x tokens per second / peak FLOPs of the chip, the
FLOPs and the peaks as TRL has them (trl.trainer.utils). Passes: rollouts 1; training 3, or 2 with
an adapter, whose frozen model needs no gradients of weights; RL those of its rollouts, of the
reference if there is a KL term, and of training. Tokens: of training and RL prompts and responses,
of rollouts responses.
"""


Timings = dict[str, Any]  # measurements of a stage or tier, by name


def _now() -> float:
    """The time in seconds, after the GPU has completed all its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class Timed(TrainerCallback):
    """Measures seconds and tokens of the steps after the warm-up."""

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Start the clock after the warm-up."""
        if state.global_step == WARM_UP:
            self.started, self.first_token = _now(), state.num_input_tokens_seen

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Stop the clock."""
        self.seconds = _now() - self.started
        self.tokens = state.num_input_tokens_seen - self.first_token


class TierCheck:
    """The measurements of one tier.

    shape is the model's shape (tests pass a smaller one than the tier's). Models are saved in
    folder.
    """

    def __init__(self, settings: Settings, shape: Shape, folder: Path) -> None:
        self.study, self.shape, self.folder = Study(settings), shape, folder
        self.settings = settings
        self.model = settings.model.trained
        self.run = self.study.hardest_run
        n_examples = settings.sft.batch_size * (WARM_UP + MEASURED["sft"])
        sft_mix = self.run.sft.data.mix
        self.examples = draw_sft(settings.task, sft_mix, n_examples, seed=0, taken=set())
        mix, n_prompts = self.run.prompts.mix, self.run.prompts.n_prompts
        self.prompts = draw_prompts(settings.task, mix, n_prompts, seed=0, taken=set())
        self.tokenizer = self._make_tokenizer()
        write_dataset(folder / "prompts.jsonl", {}, self.prompts)

    def _make_tokenizer(self) -> PreTrainedTokenizerBase:
        if not self.settings.model.hub:
            return make_tokenizer(self.settings.task.field_size, self.settings.task.n_variables)
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_QWEN_PIECE), "isolated")
        texts = [row[key] for row in self.examples for key in ("prompt", "response")]
        texts += [row["prompt"] for row in self.prompts]
        special = [PAD, UNKNOWN, END]
        tokenizer.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=special))
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, eos_token=END
        )

    def measure(self) -> Timings:
        """Measure all stages of the tier. Raises StudyError if GPU memory is too small for one."""
        set_seed(0)
        self._save_base()
        rates = {}
        if self.study.is_trained_here(self.study.base_folder(self.run.sft)):
            rates["base"] = self._within_memory("base", self.time_base)
        rates["sft"] = self._within_memory("sft", self.time_sft)
        rates["rl"] = self._within_memory("rl", self.time_rl)
        rates["rollouts"] = self._within_memory("rollouts", self.time_rollouts)
        return {
            "device": device_name(self.model.device),
            "dtype": self.model.dtype,
            "torch": torch.__version__,
            "commit": git_commit(),
            "parameters": self.shape.parameters,
            "prompt_tokens": self._lengths(self.prompts, "prompt"),
            "solution_tokens": self._lengths(self.examples, "response"),
            "max_new_tokens": self.settings.rl.max_new_tokens,
            **rates,
        }

    def _lengths(self, rows: list[Row], key: str) -> dict[str, float]:
        lengths = [len(ids) for ids in encode(self.tokenizer, [row[key] for row in rows])]
        return {"mean": round(sum(lengths) / len(lengths), 1), "longest": max(lengths)}

    def _within_memory(self, stage: str, measure: Callable[[], Timings]) -> Timings:
        """Free GPU memory, then measure a stage.

        Raises StudyError if the stage needs more memory than the GPU has.
        """
        gc.collect()
        if self.model.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            return measure()
        except torch.OutOfMemoryError:
            tier, device = self.settings.tier, device_name(self.model.device)
            raise StudyError(
                f"{stage} of the tier {tier} does not fit {device}: take a larger GPU, or lower "
                f"its batch size in config/{tier}.yaml (for RL, its micro_batch_size)"
            ) from None

    def _save_base(self) -> None:
        self.config = make_config(self.shape, self.tokenizer)
        with torch.device(self.model.device):
            model = Qwen2ForCausalLM(self.config)
        save_model(model.to(getattr(torch, self.model.dtype)), self.tokenizer, self.folder / "base")

    # ---- stages -------------------------------------------------------------------------------

    def time_base(self) -> Timings:
        """Time the training of a base model."""
        base = self.settings.base
        n = base.batch_size * (WARM_UP + MEASURED["base"])
        task = self.settings.task.for_base
        examples = draw_examples(Random(0), n, task, base.corpus, self.tokenizer)
        model = create_base_model(base, self.tokenizer)
        model.to(self.model.device)  # type: ignore[arg-type]  # the decorator of `to` has no types
        return self._time_supervised("base", model, examples, optimization_of(base))

    def time_sft(self) -> Timings:
        """Time SFT, and save its model for RL and rollouts."""
        model = load_trainable(self.folder / "base", self.model)
        examples = tokenize_examples(self.examples, self.tokenizer)
        rates = self._time_supervised("sft", model, examples, self.settings.sft)
        save_model(model, self.tokenizer, self.folder / "sft")
        return rates

    def _time_supervised(
        self,
        stage: str,
        model: LanguageModel,
        examples: list[Example],
        optimization: Optimization,
    ) -> Timings:
        lengths = [len(example["input_ids"]) for example in examples]
        order = order_batches(lengths, optimization.batch_size, Random(0))
        arguments = trainer_arguments(optimization, self.model, 0, self.folder / "out")
        trainer = make_supervised_trainer(
            model, self.tokenizer, [examples[i] for i in order], arguments
        )
        passes = 2 if stage == "sft" and self.model.lora else 3
        return self._time_steps(stage, trainer, passes, sum(lengths) / len(lengths))

    def time_rl(self) -> Timings:
        """Time RL steps, including their rollouts."""
        settings = self.study.rl_settings(self.run)
        shorter = {"steps": WARM_UP + MEASURED["rl"], "scored_steps": []}
        rl = settings.rl.model_copy(update=shorter)
        inputs = RlInputs(self.folder / "sft", self.folder / "prompts.jsonl")
        settings = settings.model_copy(update={"rl": rl})
        trainer = make_trainer(settings, 0, inputs, RolloutLog(), self.folder / "out")
        earned: Any = trainer.reward_funcs[0]

        def alternate(completions: list[str], **columns: Any) -> list[float | None]:
            earned(completions, **columns)
            return [float(index % 2) for index in range(len(completions))]

        trainer.reward_funcs = [alternate]
        passes = 1 + (rl.kl_coefficient > 0) + (2 if self.model.lora else 3)
        prompt = self._lengths(self.prompts, "prompt")["mean"]
        return self._time_steps("rl", trainer, passes, prompt + rl.max_new_tokens)

    def _time_steps(self, stage: str, trainer: Trainer, passes: int, length: float) -> Timings:
        timed = Timed()
        trainer.add_callback(timed)
        trainer.train()
        return {
            "seconds_per_step": round(timed.seconds / MEASURED[stage], 4),
            **self._rates(timed.tokens / timed.seconds, passes, length),
        }

    def time_rollouts(self) -> Timings:
        """Time the rollouts of an evaluation."""
        settings, n_samples = (
            self.study.sampling_settings(self.run),
            self.settings.sampling.n_samples,
        )
        model, codec = (
            load_model(self.folder / "sft", self.model),
            TransformersCodec(self.tokenizer),
        )
        problems = self.prompts[: max(1, settings.sampling.batch_size // n_samples)]

        def sample(limit: int) -> list[int]:
            limited = settings.model_copy(update={"max_new_tokens": limit})
            rollouts = sample_model(model, codec, problems, n_samples, limited, "check")
            return [rollout["length"] for rollout in rollouts]

        sample(2)
        started = _now()
        lengths = sample(settings.max_new_tokens)
        seconds = _now() - started
        length = self._lengths(self.prompts, "prompt")["mean"] + settings.max_new_tokens
        return {
            "seconds_per_rollout": round(seconds / len(lengths), 6),
            **self._rates(sum(lengths) / seconds, 1, length),
        }

    def _rates(self, tokens_per_second: float, passes: int, length: float) -> Timings:
        peak = get_peak_flops(device_name(self.model.device), self.model.dtype)
        # TRL's FLOPs are those of training: one forward pass, and a backward pass that costs two.
        flops = compute_flops_per_token(self.config, round(length)) / 3 * passes
        share = round(flops * tokens_per_second / peak, 4) if peak else "unknown chip"
        return {
            "tokens_per_second": round(tokens_per_second, 1),
            "peak_memory_mib": peak_memory_mib(self.model.device),
            "share_of_peak": share,
        }


def as_page(rates: dict[str, Timings]) -> str:
    """The rates of each tier as a Markdown page."""
    lines = [
        "| tier, stage | seconds a step or rollout | tokens/s | peak memory, GiB | share of peak |"
    ]
    lines.append("|---|--:|--:|--:|--:|")
    for tier, measured in rates.items():
        for stage in ("base", "sft", "rl", "rollouts"):
            if of_stage := measured.get(stage):
                cells = [
                    f"{tier}, {stage}",
                    of_stage.get("seconds_per_step") or of_stage["seconds_per_rollout"],
                    f"{of_stage['tokens_per_second']:.0f}",
                    f"{of_stage['peak_memory_mib'] / 1024:.1f}",
                    of_stage["share_of_peak"],
                ]
                lines.append(f"| {' | '.join(map(str, cells))} |")
    lines.append("")
    for tier, m in rates.items():
        prompt, solution = m["prompt_tokens"], m["solution_tokens"]
        lines.append(
            f"- {tier}: {m['device']}, {m['dtype']}, torch {m['torch']}, commit {m['commit']}; "
            f"{m['parameters'] / 1e6:.0f} M parameters; prompts of RL have {prompt['mean']} tokens "
            f"(longest {prompt['longest']}), solutions of SFT {solution['mean']} "
            f"(longest {solution['longest']}), responses {m['max_new_tokens']}"
        )
    return "\n".join([*lines, "", _NOTES])


def require_gpu() -> None:
    """Claim a GPU for this process. Raises StudyError if torch finds no GPU or lacks CUDA."""
    if torch.version.cuda is None:
        raise StudyError(
            f"no check: torch {torch.__version__} is built without CUDA. On a machine with an "
            "NVIDIA GPU: rm -rf .venv && make gpu-check, which installs PyPI's build with CUDA"
        )
    claim_gpu()
    if not torch.cuda.is_available():
        raise StudyError(
            "no check: torch finds no NVIDIA GPU. `nvidia-smi` must list one; on SLURM ask for it: "
            "srun --gpus=1 make gpu-check"
        )


def _give_up(*_: Any) -> None:
    raise StudyError(f"the check has not ended after {MINUTES} minutes: take a faster GPU")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    output = parser.parse_args().output
    require_gpu()
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(60 * MINUTES)
    output.mkdir(parents=True, exist_ok=True)
    rates: dict[str, Timings] = {}
    for tier in TIERS:
        settings = read_tier(tier)
        prepare_torch(settings.model)
        study = Study(settings)
        with TemporaryDirectory(dir=output) as folder:
            shape = study.base_shape(study.hardest_run.sft)
            rates[tier] = TierCheck(settings, shape, Path(folder)).measure()
        write_json(output / "rates.json", rates)
        write_text(output / "rates.md", as_page(rates))
    print(as_page(rates))


if __name__ == "__main__":
    run_program(main)
