"""RL: GRPO with an outcome reward from an SFT model, through TRL's GRPOTrainer.

    python -m workflow_scripts.train.grpo PLAN

On-policy: every step samples a group of responses to each of its prompts and updates once. The
reference of the KL term is the SFT policy. Rollouts come from the project's own decode loop, which
samples without dropout; TRL computes advantages, loss and update (see train.lean_grpo). The RL seed
decides the order of the prompts and the sampling, the latter anew for each step.
Writes model/, checkpoints/ (the scored ones), log.csv, rollouts.csv and run.json.
"""

import json
import shutil
from pathlib import Path
from random import Random

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedTokenizerBase, PrinterCallback, TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.generate import generate
from workflow_scripts.model.store import (
    MANIFEST,
    load_model,
    load_tokenizer,
    prepare_torch,
    save_model,
    verify_model,
)
from workflow_scripts.model.tokenizer import encode, user_turn
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.train.checkpoints import Checkpoints
from workflow_scripts.train.lean_grpo import LeanGRPOTrainer
from workflow_scripts.train.limit import refuse_short_limit
from workflow_scripts.train.rollout_log import RolloutLog
from workflow_scripts.train.run import RunRecord, WeightGuard, trainer_arguments
from workflow_scripts.train.step_log import Progress, write_step_table

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


def n_prompts(rl: dict) -> int:
    """How many prompts a run takes."""
    return rl["steps"] * rl["batch_size"] // rl["group_size"]


def order_prompts(records: list[dict], n: int, seed: int) -> list[dict]:
    """The n prompts of a run in order: shuffled passes over the set, one after the other."""
    rng = Random(f"rl order seed {seed}")
    ordered: list[dict] = []
    while len(ordered) < n:
        ordered += rng.sample(records, len(records))
    return ordered[:n]


def prompt_dataset(records: list[dict], tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """Prompts as the model is to see them, each with its problem for the reward function."""
    return Dataset.from_list(
        [
            {"prompt": user_turn(tokenizer, r["prompt"]), "problem": json.dumps(r["problem"])}
            for r in records
        ]
    )


def sampling_seed(seed: int, step: int) -> int:
    """The seed of a step's rollouts, so that they do not depend on what was sampled before."""
    return Random(f"rollouts seed {seed} step {step}").getrandbits(63)


def make_rollouts(tokenizer: PreTrainedTokenizerBase, rl: dict, seed: int):
    """Return TRL's rollout function: prompts, each repeated for its group -> sampled tokens."""

    def rollout(prompts: list[str], trainer: GRPOTrainer) -> dict[str, list]:
        model = trainer.accelerator.unwrap_model(trainer.model)
        generator = torch.Generator(model.device)
        generator.manual_seed(sampling_seed(seed, trainer.state.global_step))
        prompt_ids = encode(tokenizer, prompts)
        completion_ids = generate(
            model,
            prompt_ids[:: rl["group_size"]],
            rl["group_size"],
            rl["max_new_tokens"],
            {tokenizer.eos_token_id},
            rl["temperature"],
            generator,
            rl["top_k"],
            rl["top_p"],
        )
        return {"prompt_ids": prompt_ids, "completion_ids": completion_ids, "logprobs": None}

    return rollout


def make_reward(tokenizer: PreTrainedTokenizerBase, log: RolloutLog):
    """Return TRL's reward function, which also logs the rollouts it scores."""

    def reward(completions, completion_ids, problem, trainer_state, **_) -> list[float]:
        rewards = []
        for text, ids, record in zip(completions, completion_ids, problem, strict=True):
            parsed = Problem.from_json(json.loads(record))
            complete = ids[-1] == tokenizer.eos_token_id
            rewards.append(outcome_reward(parsed, text, complete))
            log.add(trainer_state.global_step + 1, parsed, text, complete, rewards[-1])
        return rewards

    return reward


class ScoredModels(TrainerCallback):
    """Saves the model at the steps whose accuracy the study reports."""

    def __init__(self, steps: list[int], tokenizer: PreTrainedTokenizerBase, folder: Path):
        self.steps, self.tokenizer, self.folder = steps, tokenizer, folder

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step in self.steps:
            save_model(model, self.tokenizer, self.folder / f"step-{state.global_step}")

    def are_whole(self, step: int) -> bool:
        """Whether a run that goes on from a step finds all that was to be saved before."""
        try:
            for scored in self.steps:
                if scored <= step:
                    verify_model(self.folder / f"step-{scored}")
        except StudyError:
            return False
        return True

    def copy_to(self, folder: Path) -> None:
        """Put the models in their place, and remove those of an earlier run from there.

        A run that is stopped before its results are complete goes on only where they still are.
        """
        shutil.rmtree(folder, ignore_errors=True)
        if self.folder.is_dir():
            shutil.copytree(self.folder, folder)


def grpo_config(rl: dict, model: dict, seed: int, output: Path) -> GRPOConfig:
    """TRL's configuration, with nothing that matters left to a default."""
    return GRPOConfig(
        **trainer_arguments(rl, model["device"], model["dtype"], seed, output),
        max_steps=rl["steps"],
        steps_per_generation=rl["batch_size"] // rl["micro_batch_size"],
        num_iterations=1,
        num_generations=rl["group_size"],
        max_completion_length=rl["max_new_tokens"],
        temperature=rl["temperature"],
        top_p=rl["top_p"],
        top_k=rl["top_k"],
        beta=rl["kl_coefficient"],
        epsilon=rl["clip_epsilon"],
        loss_type=rl["loss_type"],
        scale_rewards=rl["scale_rewards"],
        use_bias_correction_kl=False,
        mask_truncated_completions=False,
        disable_dropout=True,
        logging_steps=1,
    )


def make_trainer(
    settings: dict,
    seed: int,
    sft: Path,
    prompts: Path,
    log: RolloutLog,
    output: Path,
    trainer_class: type[GRPOTrainer] = LeanGRPOTrainer,
    own_rollouts: bool = True,
) -> GRPOTrainer:
    """The trainer of an RL run; settings holds the sections ``model`` and ``rl``.

    Without own_rollouts TRL samples as it comes.
    """
    rl, device = settings["rl"], settings["model"]["device"]
    set_seed(seed)
    tokenizer = load_tokenizer(sft)
    model = load_model(sft, device, settings["model"]["dtype"], trainable=True)
    if not isinstance(model, PeftModel):
        # TRL loads the reference of the KL term from here, so it is the SFT policy.
        model.config._name_or_path = str(sft)
    ordered = order_prompts(read_dataset(prompts), n_prompts(rl), seed)
    trainer = trainer_class(
        model=model,
        reward_funcs=make_reward(tokenizer, log),
        args=grpo_config(rl, settings["model"], seed, output),
        train_dataset=prompt_dataset(ordered, tokenizer),
        processing_class=tokenizer,
        rollout_func=make_rollouts(tokenizer, rl, seed) if own_rollouts else None,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def run_grpo(
    settings: dict, seed: int, sft: Path, prompts: Path, output: Path, checkpoint_seconds: float
) -> None:
    """Train the SFT model on the prompts; settings holds the sections ``model`` and ``rl``."""
    rl, device = settings["rl"], settings["model"]["device"]
    record = RunRecord("workflow_scripts.train.grpo", settings, seed, [sft / MANIFEST, prompts])
    log = RolloutLog()
    checkpoints = Checkpoints(output, record, checkpoint_seconds, log)
    prepare_torch(device, settings["model"]["threads"])
    trainer = make_trainer(settings, seed, sft, prompts, log, checkpoints.incoming)
    tokenizer = trainer.processing_class
    # In the scratch folder: a run of other settings must not leave its models among these.
    scored = ScoredModels(rl["scored_steps"], tokenizer, checkpoints.folder / "scored")
    progress = Progress(output.name, ("reward", "kl", "completions/mean_length"))
    trainer.add_callback(progress)
    trainer.add_callback(scored)
    # The reference is a frozen adapter of the model itself, or a model of its own.
    guard = WeightGuard(trainer.model, trainer.ref_model)
    checkpoints.train(trainer, scored.are_whole)
    history = [row for row in trainer.state.log_history if "loss" in row]
    # Groups of equal rewards have no advantage: a run of nothing else rightly changes nothing.
    guard.check(must_move=any(row["frac_reward_zero_std"] < 1 for row in history))

    write_step_table(output / "log.csv", history, LOGGED)
    log.write(output / "rollouts.csv")
    scored.copy_to(output / "checkpoints")
    files = save_model(trainer.model, tokenizer, output / "model")
    record.write(
        output / "run.json",
        device,
        n_trainable=guard.n_trainable,
        tokens_per_second=progress.tokens_per_second,
        steps=rl["steps"],
        files=files,
    )
    checkpoints.finish()


def train_grpo(
    settings: dict, seed: int, sft: Path, prompts: Path, output: Path, checkpoint_seconds: float
) -> None:
    """The RL stage: run_grpo, unless the limit of tokens is too short for the solutions."""
    refuse_short_limit(load_tokenizer(sft), prompts, settings["rl"]["max_new_tokens"])
    run_grpo(settings, seed, sft, prompts, output, checkpoint_seconds)


if __name__ == "__main__":
    run_stage(__doc__)
