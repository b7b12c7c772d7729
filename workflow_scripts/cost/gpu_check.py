"""Measure on a GPU what a step and a token of the GPU tiers take, in twenty minutes at most.

    make gpu-check

A model of each tier's shape, with random weights, goes through SFT, RL and rollouts by the code and
at the sizes of the tier's own stages. Random weights end a response by chance alone, so every batch
goes on to `rl.max_new_tokens`: steps and rollouts are timed at their longest. They earn no reward
either; since groups of equal rewards can cost less, rewards alternate here.
Writes rates.json, from which `snakemake cost` tells hours once it is in results/reference/gpu, and
rates.md.
"""

import argparse
import gc
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import FrameType
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
from workflow_scripts.model.device import device_name, peak_memory_mib
from workflow_scripts.model.gpus import claim_gpu
from workflow_scripts.model.shape import Shape
from workflow_scripts.model.store import (
    LanguageModel,
    create_base_model,
    load_model,
    make_config,
    prepare_torch,
    save_model,
)
from workflow_scripts.model.tokenizer import END, PAD, UNKNOWN, encode, make_tokenizer
from workflow_scripts.plan.configuration import read_tier
from workflow_scripts.plan.settings import Settings
from workflow_scripts.plan.study import Study
from workflow_scripts.settings.optimization import Optimization
from workflow_scripts.settings.sampling import SamplingSettings
from workflow_scripts.settings.strategies import BACKWARD_SHARE
from workflow_scripts.task.datasets import Row, draw_prompts, draw_sft, write_dataset
from workflow_scripts.task.mixes import SolvedSingles
from workflow_scripts.train.base import draw_examples, optimization_of
from workflow_scripts.train.grpo import RlInputs, make_trainer
from workflow_scripts.train.rollout_log import RolloutLog
from workflow_scripts.train.run import trainer_arguments
from workflow_scripts.train.sft import load_trainable, tokenize_examples
from workflow_scripts.train.supervised import Example, make_supervised_trainer, order_batches

TIERS = ("gpu", "paper")  # the quick one first
MINUTES = 20
WARM_UP = 1  # steps
MEASURED = {"base": 10, "sft": 10, "rl": 3}  # steps

# Qwen's tokenizer splits text by this pattern, and looks up each piece or parts of it.
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


def _now() -> float:
    """The time at which all work handed to the GPU is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class Timed(TrainerCallback):
    """Seconds and tokens of the steps after the warm-up."""

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Start to count once the warm-up is over."""
        if state.global_step == WARM_UP:
            self.started, self.first_token = _now(), state.num_input_tokens_seen

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Note the seconds and the tokens since then."""
        self.seconds = _now() - self.started
        self.tokens = state.num_input_tokens_seen - self.first_token


class Check:
    """The measurements of one tier.

    The settings say what it is measured on. shape is that of the model, which need not be the
    tier's own.
    """

    def __init__(self, settings: Settings, shape: Shape, folder: Path) -> None:
        self.study, self.shape, self.folder = Study(settings), shape, folder
        self.settings, self.compute = settings, settings.model.compute
        self.run = self.study.hardest_run
        mix = SolvedSingles(BACKWARD_SHARE["FB"], settings.data.sft_steps.values())
        n_examples = settings.sft.batch_size * (WARM_UP + MEASURED["sft"])
        self.examples = draw_sft(settings.task, mix, n_examples, seed=0, taken=set())
        prompts = self.run.prompts
        self.prompts = draw_prompts(settings.task, prompts.mix, prompts.n_prompts, taken=set())
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

    def measure(self) -> dict[str, Any]:
        """All rates of the tier."""
        set_seed(0)
        self._save_base()
        rates = {}
        if self.study.is_trained_here(self.study.base_folder(self.run.sft)):
            rates["base"] = self._within_memory("base", self.time_base)
        rates["sft"] = self._within_memory("sft", self.time_sft)
        rates["rl"] = self._within_memory("rl", self.time_rl)
        rates["rollouts"] = self._within_memory("rollouts", self.time_rollouts)
        return {
            "device": device_name(self.compute.device),
            "dtype": self.compute.dtype,
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

    def _within_memory(self, stage: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Measure from an empty GPU. Raises StudyError if the tier's sizes do not fit it."""
        gc.collect()
        if self.compute.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            return measure()
        except torch.OutOfMemoryError:
            tier, device = self.settings.tier, device_name(self.compute.device)
            raise StudyError(
                f"{stage} of the tier {tier} does not fit {device}: take a larger GPU, or lower "
                f"its batch size in config/{tier}.yaml (of RL the micro-batch's)"
            ) from None

    def _save_base(self) -> None:
        self.config = make_config(self.shape, self.tokenizer)
        with torch.device(self.compute.device):
            model = Qwen2ForCausalLM(self.config)
        save_model(
            model.to(getattr(torch, self.compute.dtype)), self.tokenizer, self.folder / "base"
        )

    # ---- stages -------------------------------------------------------------------------------

    def time_base(self) -> dict[str, Any]:
        """The rates of training a base model."""
        base, task = self.settings.base, self.settings.task.for_base
        n = base.batch_size * (WARM_UP + MEASURED["base"])
        examples = draw_examples(Random(0), n, task, base.corpus, self.tokenizer)
        model = create_base_model(base, self.tokenizer)
        model.to(self.compute.device)  # type: ignore[arg-type]  # its wrapper has no type
        return self._time_supervised("base", model, examples, optimization_of(base))

    def time_sft(self) -> dict[str, Any]:
        """The rates of SFT, whose model is saved for the stages after it."""
        model = load_trainable(self.folder / "base", self.settings.model.trained)
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
    ) -> dict[str, Any]:
        lengths = [len(example["input_ids"]) for example in examples]
        order = order_batches(lengths, optimization.batch_size, Random(0))
        ordered = [examples[i] for i in order]
        arguments = trainer_arguments(optimization, self.compute, 0, self.folder / "out")
        trainer = make_supervised_trainer(model, self.tokenizer, ordered, arguments)
        passes = 2 if stage == "sft" and self._has_adapter else 3
        return self._time_steps(stage, trainer, passes, sum(lengths) / len(lengths))

    @property
    def _has_adapter(self) -> bool:
        return self.settings.model.adaptation == "lora"

    def time_rl(self) -> dict[str, Any]:
        """The rates of RL, with rewards that alternate."""
        settings = self.study.rl_settings(self.run)
        changes = {"steps": WARM_UP + MEASURED["rl"], "scored_steps": []}
        rl = settings.rl.model_copy(update=changes)
        settings = settings.model_copy(update={"rl": rl})
        inputs = RlInputs(self.folder / "sft", self.folder / "prompts.jsonl")
        trainer = make_trainer(settings, 0, inputs, RolloutLog(), self.folder / "out")
        earned: Any = trainer.reward_funcs[0]

        def alternate(completions: list[str], **columns: Any) -> list[float | None]:
            earned(completions, **columns)
            return [float(index % 2) for index in range(len(completions))]

        trainer.reward_funcs = [alternate]
        passes = 1 + (rl.kl_coefficient > 0) + (2 if self._has_adapter else 3)
        prompt = self._lengths(self.prompts, "prompt")["mean"]
        return self._time_steps("rl", trainer, passes, prompt + rl.max_new_tokens)

    def _time_steps(
        self, stage: str, trainer: Trainer, passes: int, length: float
    ) -> dict[str, Any]:
        timed = Timed()
        trainer.add_callback(timed)
        trainer.train()
        return {
            "seconds_per_step": round(timed.seconds / MEASURED[stage], 4),
            **self._rates(timed.tokens / timed.seconds, passes, length),
        }

    def time_rollouts(self) -> dict[str, Any]:
        """The rates of the rollouts of an evaluation."""
        sampling, limit = self.settings.sampling, self.settings.rl.max_new_tokens
        model = load_model(self.folder / "sft", self.compute)
        prompts = self.prompts[: max(1, sampling.batch_size // sampling.n_samples)]

        def sample(max_new_tokens: int) -> list[int]:
            settings = SamplingSettings(
                model=self.compute, sampling=sampling.decoding, max_new_tokens=max_new_tokens
            )
            rollouts = sample_model(
                model, self.tokenizer, prompts, sampling.n_samples, settings, "check"
            )
            return [rollout["length"] for rollout in rollouts]

        sample(2)
        started = _now()
        lengths = sample(limit)
        seconds = _now() - started
        length = self._lengths(self.prompts, "prompt")["mean"] + limit
        return {
            "seconds_per_rollout": round(seconds / len(lengths), 6),
            **self._rates(sum(lengths) / seconds, 1, length),
        }

    def _rates(self, tokens_per_second: float, passes: int, length: float) -> dict[str, Any]:
        peak = get_peak_flops(device_name(self.compute.device), self.compute.dtype)
        # TRL counts three passes.
        flops = compute_flops_per_token(self.config, round(length)) / 3 * passes
        share = round(flops * tokens_per_second / peak, 4) if peak else "unknown chip"
        return {
            "tokens_per_second": round(tokens_per_second, 1),
            "peak_memory_mib": peak_memory_mib(self.compute.device),
            "share_of_peak": share,
        }


def as_page(rates: dict[str, dict[str, Any]]) -> str:
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
    """Take a GPU; raise StudyError that says what is missing and how to get it."""
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


def _give_up(number: int, frame: FrameType | None) -> None:
    raise StudyError(f"the check has not ended after {MINUTES} minutes: the GPU is too slow for it")


def main() -> None:
    """The command line: measure the tiers, and write and print their rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    output = parser.parse_args().output
    require_gpu()
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(60 * MINUTES)
    output.mkdir(parents=True, exist_ok=True)
    rates: dict[str, dict[str, Any]] = {}
    for tier in TIERS:
        settings = read_tier(tier)
        prepare_torch(settings.model.compute)
        study = Study(settings)
        with TemporaryDirectory(dir=output) as folder:
            shape = study.base_shape(study.hardest_run.sft)
            rates[tier] = Check(settings, shape, Path(folder)).measure()
        write_json(output / "rates.json", rates)
        write_text(output / "rates.md", as_page(rates))
    print(as_page(rates))


if __name__ == "__main__":
    run_program(main)
