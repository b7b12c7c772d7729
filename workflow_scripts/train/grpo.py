"""RL: GRPO on an SFT model, with a reward for a correct final answer, by TRL's GRPOTrainer.

    python -m workflow_scripts.train.grpo PLAN

Training is on-policy: every step samples a group of responses per prompt and makes one update. The
reference model of the KL term is the SFT model. The project's own decode loop samples the rollouts
(responses), without dropout. TRL computes advantages, loss and update (see train.lean_grpo). The RL
seed determines the order of the prompts. The RL seed and the step number determine how the rollouts
of a step are sampled. Writes model/, checkpoints/ (the models at rl.scored_steps), log.csv,
rollouts.csv and run.json into the run's folder.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import (
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from trl import GRPOConfig, GRPOTrainer

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.draw import SamplingParameters, make_generator
from workflow_scripts.model.generate import fold_if_plain, generate, implementation
from workflow_scripts.model.manifest import MANIFEST, verify_model
from workflow_scripts.model.store import LanguageModel, load_model, save_model
from workflow_scripts.model.tokenizer import encode, load_tokenizer, user_turn
from workflow_scripts.settings.rl import Rl, RlSettings
from workflow_scripts.task.datasets import Row, read_dataset
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.train.lean_grpo import LeanGRPOTrainer
from workflow_scripts.train.limit import refuse_short_limit
from workflow_scripts.train.rollout_log import RolloutLog
from workflow_scripts.train.run import TrainingRun, WeightGuard, trainer_arguments
from workflow_scripts.train.run_folder import RunFolder

# SHOWN: metrics on the progress line. LOGGED: metrics in the columns of log.csv.
SHOWN = ("reward", "kl", "completions/mean_length")
LOGGED = (
    "loss",
    "reward",
    "reward_std",
    "frac_reward_zero_std",
    "kl",
    "grad_norm",
    "learning_rate",
    "completions/mean_length",
    "completions/clipped_ratio",
    "step_time",
)


def order_prompts(prompts: list[Row], n: int, seed: int) -> list[Row]:
    """The first n prompts of repeated passes over the prompt set, shuffled anew for each pass."""
    rng = Random(f"rl order seed {seed}")
    ordered: list[Row] = []
    while len(ordered) < n:
        ordered += rng.sample(prompts, len(prompts))
    return ordered[:n]


def prompt_dataset(prompts: list[Row], tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """The prompts as the model reads them, each with its problem for the reward function."""
    return Dataset.from_list(
        [
            {"prompt": user_turn(tokenizer, row["prompt"]), "problem": json.dumps(row["problem"])}
            for row in prompts
        ]
    )


def sampling_seed(seed: int, step: int) -> int:
    """The seed of the rollouts of one step. A resumed run therefore samples the same rollouts."""
    return Random(f"rollouts seed {seed} step {step}").getrandbits(63)


def make_rollouts(
    tokenizer: PreTrainedTokenizerBase, rl: Rl, seed: int
) -> Callable[[list[str], GRPOTrainer], dict[str, Any]]:
    """Return the function by which TRL samples rollouts.

    The function takes a batch of prompts, each repeated group_size times in a row. It returns the
    token ids of the prompts and of one sampled completion per prompt.
    """
    parameters = SamplingParameters(
        max_new_tokens=rl.max_new_tokens,
        end_tokens=frozenset({tokenizer.eos_token_id}),
        temperature=rl.temperature,
        top_k=rl.top_k,
        top_p=rl.top_p,
    )

    def rollout(prompts: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
        model = trainer.accelerator.unwrap_model(trainer.model)
        generator = make_generator(model.device)
        generator.manual_seed(sampling_seed(seed, trainer.state.global_step))
        groups = encode(tokenizer, prompts[:: rl.group_size])
        prompt_ids = [ids for ids in groups for _ in range(rl.group_size)]
        with torch.no_grad():
            policy = fold_if_plain(model, trainer.args.bf16) or model
        completion_ids = generate(policy, groups, rl.group_size, parameters, generator)
        return {"prompt_ids": prompt_ids, "completion_ids": completion_ids, "logprobs": None}

    return rollout


def make_reward(
    tokenizer: PreTrainedTokenizerBase, log: RolloutLog
) -> Callable[..., list[float | None]]:
    """Return the reward function, which also adds each rollout to the log.

    The return type allows None only because TRL's type does. No reward is None.
    """

    def reward(
        completions: list[str],
        completion_ids: list[list[int]],
        problem: list[str],
        trainer_state: TrainerState,
        **_: Any,
    ) -> list[float | None]:
        rewards: list[float | None] = []
        for text, ids, written in zip(completions, completion_ids, problem, strict=True):
            parsed = Problem.from_json(json.loads(written))
            complete = ids[-1] == tokenizer.eos_token_id
            earned = outcome_reward(parsed, text, complete)
            log.add(trainer_state.global_step + 1, parsed, text, complete, earned)
            rewards.append(earned)
        return rewards

    return reward


class ScoredModels(TrainerCallback):
    """Saves the model at given RL steps (rl.scored_steps), for evaluation."""

    def __init__(self, steps: list[int], tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        self.steps, self.tokenizer, self.folder = steps, tokenizer, folder

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Save the model if this step is one of the given steps."""
        if state.global_step in self.steps:
            save_model(kwargs["model"], self.tokenizer, self.folder / f"step-{state.global_step}")

    def are_whole(self, step: int) -> bool:
        """Whether all models to be saved up to a step are complete, so that a run can resume."""
        try:
            for scored in self.steps:
                if scored <= step:
                    verify_model(self.folder / f"step-{scored}")
        except StudyError:
            return False
        return True

    def copy_to(self, folder: Path) -> None:
        """Copy the models to the output folder, replacing those of an earlier run.

        The models are copied, not moved: a run stopped before its results are complete can resume
        only if the originals are still in its scratch folder.
        """
        shutil.rmtree(folder, ignore_errors=True)
        if self.folder.is_dir():
            shutil.copytree(self.folder, folder)


def grpo_config(settings: RlSettings, seed: int, output: Path) -> GRPOConfig:
    """TRL's configuration of an RL run. Every option that affects the result is set explicitly."""
    rl = settings.rl
    return GRPOConfig(
        **trainer_arguments(rl, settings.model, seed, output),
        max_steps=rl.steps,
        steps_per_generation=rl.batch_size // rl.micro_batch_size,
        num_iterations=1,
        num_generations=rl.group_size,
        max_completion_length=rl.max_new_tokens,
        temperature=rl.temperature,
        top_p=rl.top_p,
        top_k=rl.top_k,
        beta=rl.kl_coefficient,
        epsilon=rl.clip_epsilon,
        loss_type=rl.loss_type,
        scale_rewards=rl.scale_rewards,
        use_bias_correction_kl=False,
        mask_truncated_completions=False,
        disable_dropout=True,
        logging_steps=1,
    )


@dataclass(frozen=True)
class RlInputs:
    """The files that an RL run starts from."""

    sft: Path
    """Folder of the SFT model."""
    prompts: Path
    """File of the prompt set."""


@dataclass(frozen=True)
class Variant:
    """The code that updates the model and samples the rollouts. Benchmarks also use TRL's own."""

    trainer: type[GRPOTrainer] = LeanGRPOTrainer
    own_rollouts: bool = True
    """True: the project's decode loop samples the rollouts; False: TRL does."""


OWN = Variant()


def make_trainer(
    settings: RlSettings,
    seed: int,
    inputs: RlInputs,
    log: RolloutLog,
    output: Path,
    variant: Variant = OWN,
) -> GRPOTrainer:
    """Make the trainer of an RL run. log collects the rollouts; output holds its checkpoints."""
    set_seed(seed)
    tokenizer = load_tokenizer(inputs.sft)
    model = load_model(inputs.sft, settings.model, trainable=True)
    if not isinstance(model, PeftModel):
        # TRL loads the reference model of the KL term from this path: the SFT model.
        model.config._name_or_path = str(inputs.sft)
    prompts = order_prompts(read_dataset(inputs.prompts), settings.rl.n_prompts, seed)
    rollouts = make_rollouts(tokenizer, settings.rl, seed) if variant.own_rollouts else None
    trainer = variant.trainer(
        model=model,
        reward_funcs=make_reward(tokenizer, log),
        args=grpo_config(settings, seed, output),
        train_dataset=prompt_dataset(prompts, tokenizer),
        processing_class=tokenizer,
        rollout_func=rollouts,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def run_grpo(settings: RlSettings, seed: int, sft: Path, prompts: Path, run: RunFolder) -> None:
    """Train the SFT model on the prompts with GRPO, and write the files of the run."""
    log, files = RolloutLog(), [sft / MANIFEST, prompts]
    training = TrainingRun("workflow_scripts.train.grpo", settings, seed, files, run, log)
    checkpoints = training.checkpoints
    trainer = make_trainer(settings, seed, RlInputs(sft, prompts), log, checkpoints.incoming)
    # The types of the objects that make_trainer used. TRL declares wider types.
    model = cast(LanguageModel, trainer.model)
    reference = cast(LanguageModel | None, trainer.ref_model)
    tokenizer = cast(PreTrainedTokenizerBase, trainer.processing_class)
    # Saved in the run's scratch folder, whose name depends on the settings, so that models of runs
    # with different settings never mix.
    scored = ScoredModels(settings.rl.scored_steps, tokenizer, checkpoints.folder / "scored")
    trainer.add_callback(scored)
    # The KL term's reference is a separate model, or (with LoRA) a frozen adapter in the model.
    guard = WeightGuard(model, reference)
    tokens_per_second = training.train(trainer, SHOWN, LOGGED, scored.are_whole)
    # If all completions of a group get the same reward, their advantages are 0. A run with only
    # such groups rightly leaves the weights unchanged, so the guard must not require a change.
    history = [row for row in trainer.state.log_history if "loss" in row]
    guard.check(must_move=any(row["frac_reward_zero_std"] < 1 for row in history))

    log.write(run.rollouts)
    scored.copy_to(run.scored_models)
    training.finish(
        model,
        tokenizer,
        n_trainable=guard.n_trainable,
        tokens_per_second=tokens_per_second,
        steps=settings.rl.steps,
        implementation=implementation(fold_if_plain(model, trainer.args.bf16) or model),
    )


def train_grpo(settings: RlSettings, seed: int, sft: Path, prompts: Path, run: RunFolder) -> None:
    """The RL stage: check the token limit, then call run_grpo.

    Raises StudyError if rl.max_new_tokens is too small for the solutions (see train.limit).
    """
    refuse_short_limit(load_tokenizer(sft), prompts, settings.rl.max_new_tokens)
    run_grpo(settings, seed, sft, prompts, run)


if __name__ == "__main__":
    run_stage(__doc__)
