"""SFT and GRPO on a tiny model: the right weights move, and the reference is the SFT policy."""

import csv
import json
import socket
import sys
import threading
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.model.conftest import CPU
from tests.train.conftest import RL, rl_settings, sft_settings
from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, sha256
from workflow_scripts.model.store import load_model, save_model
from workflow_scripts.model.tokenizer import load_tokenizer
from workflow_scripts.task.datasets import read_dataset, write_dataset
from workflow_scripts.train import grpo
from workflow_scripts.train.rollout_log import RolloutLog
from workflow_scripts.train.run import WeightGuard
from workflow_scripts.train.run_folder import RunFolder
from workflow_scripts.train.sft import run_sft

pytestmark = pytest.mark.slow


def weights(folder: Path) -> dict:
    (file,) = folder.glob("*.safetensors")
    return load_file(file)


def rows(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def moved(before: Path, after: Path) -> bool:
    old, new = weights(before), weights(after)
    assert old.keys() == new.keys()
    return any((old[name] != new[name]).any() for name in old)


def sft(tiny, adaptation: str, output: Path, dtype: str = "float32", **changes) -> Path:
    run = RunFolder(output, checkpoint_seconds=60)
    settings = sft_settings(adaptation, dtype, **changes)
    run_sft(settings, 0, tiny.base, tiny.sft_set, [tiny.sft_set], run)
    return output


def rl(
    tiny, policy: Path, adaptation: str, output: Path, dtype: str = "float32", **changes
) -> Path:
    run = RunFolder(output, checkpoint_seconds=60)
    settings = rl_settings(adaptation, dtype, **changes)
    grpo.run_grpo(settings, 0, policy / "model", tiny.prompts, run)
    return output


@pytest.fixture
def some_rewards(monkeypatch):
    """A tiny model with random weights answers nothing: reward something that it does."""
    monkeypatch.setattr(grpo, "outcome_reward", reward_every_second)


def reward_every_second(problem, text: str, complete: bool) -> float:
    return len(text) % 2


@pytest.fixture(scope="module")
def trained(shared_tiny):
    """trained(adaptation, dtype): the folders of an SFT and an RL run, made once."""

    @cache
    def train(adaptation: str, dtype: str = "float32") -> tuple[Path, Path]:
        name = f"{adaptation}-{dtype}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(grpo, "outcome_reward", reward_every_second)
            policy = sft(shared_tiny, adaptation, shared_tiny.folder / f"sft-{name}", dtype)
            output = shared_tiny.folder / f"rl-{name}"
            return policy, rl(shared_tiny, policy, adaptation, output, dtype)

    return train


@pytest.mark.parametrize("adaptation", ["full", "lora"])
def test_sft_and_rl_move_the_trainable_weights_alone(shared_tiny, trained, adaptation):
    policy, after_rl = trained(adaptation)
    manifest = read_json(shared_tiny.base / "manifest.json")
    assert sha256(shared_tiny.base / "model.safetensors") == manifest["files"]["model.safetensors"]
    assert moved(policy / "model", after_rl / "model")
    names = weights(after_rl / "model").keys()
    assert all(("lora_" in name) == (adaptation == "lora") for name in names)
    if adaptation == "full":
        assert moved(shared_tiny.base, policy / "model")
    else:
        assert any((w != 0).any() for n, w in weights(policy / "model").items() if "lora_B" in n)


@pytest.mark.parametrize(
    ("adaptation", "dtype"), [("full", "float32"), ("lora", "float32"), ("lora", "bfloat16")]
)
def test_the_reference_is_the_sft_policy(trained, adaptation, dtype):
    """So the KL term is 0 at the first step and grows once the policy has moved."""
    _, output = trained(adaptation, dtype)
    if adaptation == "lora":  # whatever the precision of what is frozen
        assert {w.dtype for w in weights(output / "model").values()} == {torch.float32}
    log = rows(output / "log.csv")
    assert [int(row["step"]) for row in log] == [1, 2, 3]
    assert abs(float(log[0]["kl"])) < 1e-6
    assert float(log[2]["kl"]) > 1e-6


@pytest.mark.parametrize("adaptation", ["full", "lora"])
def test_in_bfloat16_the_weights_that_are_trained_stay_float32(tiny, adaptation, some_rewards):
    """The mixed precision of GPU tiers, with a reference; a CPU takes it too."""
    policy = sft(tiny, adaptation, tiny.folder / "sft", "bfloat16", learning_rate=1e-6)
    trained = rl(tiny, policy, adaptation, tiny.folder / "rl", "bfloat16")
    for folder in (policy, trained):
        assert {w.dtype for w in weights(folder / "model").values()} == {torch.float32}
    assert moved(policy / "model", trained / "model")


@pytest.mark.parametrize("adaptation", ["full", "lora"])
def test_padding_is_never_learnt_even_where_its_token_is_that_of_the_end(
    tiny, trained, adaptation, some_rewards
):
    """And the same settings give the same bits: the base model and the data are drawn anew."""
    tokenizer = load_tokenizer(tiny.base)
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    tokenizer.pad_token = tokenizer.eos_token
    save_model(load_model(tiny.base, CPU), tokenizer, tiny.base)
    policy = sft(tiny, adaptation, tiny.folder / "sft")
    after_rl = rl(tiny, policy, adaptation, tiny.folder / "rl")
    for run, same in zip((policy, after_rl), trained(adaptation), strict=True):
        assert not moved(run / "model", same / "model")
    assert (after_rl / "rollouts.csv").read_bytes() == (same / "rollouts.csv").read_bytes()


def test_rl_has_no_dropout_although_sft_had(shared_tiny, trained, tmp_path):
    """Rollouts then come from the policy that is updated, and the reference is that of SFT."""
    policy, _ = trained("lora")
    settings = rl_settings("lora")
    inputs = grpo.RlInputs(policy / "model", shared_tiny.prompts)
    trainer = grpo.make_trainer(settings, 0, inputs, RolloutLog(), tmp_path / "out")
    probabilities = [
        module.p for module in trainer.model.modules() if isinstance(module, torch.nn.Dropout)
    ]
    assert probabilities
    assert not any(probabilities)
    assert settings.model.lora.dropout > 0


def test_every_step_logs_all_of_its_rollouts(trained):
    _, output = trained("full")
    counted: dict[int, int] = {}
    for row in rows(output / "rollouts.csv"):
        counted[int(row["step"])] = counted.get(int(row["step"]), 0) + int(row["n"])
        assert row["type"] in ("evaluation", "inversion")
        assert row["direction"] in ("forward", "backward", "mixed", "none")
        assert (row["fits"] == "True") == (row["mistake"] != "")
    assert counted == {1: 8, 2: 8, 3: 8}


def test_training_starts_no_thread_and_asks_no_host(tiny, some_rewards, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError(f"a name was looked up: {arguments}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    started = []
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda t: (started.append(t.name), start(t)))
    rl(tiny, sft(tiny, "full", tiny.folder / "sft"), "full", tiny.folder / "rl")
    assert [name for name in started if "loading" not in name and "ThreadPool" not in name] == []


def test_curves_for_tensorboard_change_no_result(
    shared_tiny, trained, some_rewards, tmp_path, monkeypatch
):
    policy, without = trained("full")
    monkeypatch.setenv("STUDY_CURVES", str(tmp_path / "curves"))
    run = rl(shared_tiny, policy, "full", tmp_path / "results/tier/rl/FB-s0")
    assert weights(run / "model").keys() == weights(without / "model").keys()
    assert not moved(run / "model", without / "model")
    events = EventAccumulator(str(tmp_path / "curves/tier/rl/FB-s0")).Reload()
    shown = {event.step: event.value for event in events.Scalars("reward")}
    logged = {int(row["step"]): float(row["reward"]) for row in rows(run / "log.csv")}
    assert shown == pytest.approx(logged)


def test_curves_without_tensorboard_are_refused(shared_tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY_CURVES", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(StudyError, match="pip install tensorboard"):
        sft(shared_tiny, "full", tmp_path / "results/tier/sft/FB-s0")


def test_the_record_says_what_made_the_run(shared_tiny, trained):
    policy, output = trained("full")
    record = read_json(output / "run.json")
    assert record["settings"]["rl"]["kl_coefficient"] == 0.05
    assert record["seed"] == 0
    assert record["packages"]["trl"]
    assert len(record["code_hash"]) == 16
    assert set(record["inputs"]) == {str(policy / "model/manifest.json"), str(shared_tiny.prompts)}
    for made in (record, read_json(policy / "run.json")):
        assert made["device"] not in ("", "cpu"), "the processor's name"
        assert made["tokens_per_second"] > 0
        assert 50 < made["peak_memory_mib"] < 50_000
    validation = read_json(policy / "run.json")["validation"]
    assert 0 < validation["sft"]["cross_entropy"] < 10


def test_scored_checkpoints_are_kept_and_differ_from_the_end(trained):
    _, output = trained("full")
    assert moved(output / "checkpoints/step-1", output / "model")


def test_rewards_without_a_difference_change_nothing_and_are_no_error(
    shared_tiny, trained, tmp_path, monkeypatch
):
    policy, _ = trained("full")
    monkeypatch.setattr(grpo, "outcome_reward", lambda problem, text, complete: 0.0)
    output = rl(shared_tiny, policy, "full", tmp_path / "rl", kl_coefficient=0.0)
    assert not moved(policy / "model", output / "model")


def test_an_answer_cut_off_at_the_limit_earns_nothing(tiny):
    tokenizer = load_tokenizer(tiny.base)
    example = read_dataset(tiny.sft_set)[0]
    ids = tokenizer(example["response"], add_special_tokens=False)["input_ids"]

    class State:
        global_step = 0

    def earned(completion_ids):
        reward = grpo.make_reward(tokenizer, RolloutLog())
        texts, problems = [example["response"]], [json.dumps(example["problem"])]
        return reward(texts, [completion_ids], problems, State())

    assert earned([*ids, tokenizer.eos_token_id]) == [1.0]
    assert earned(ids) == [0.0]


def test_a_word_that_the_model_does_not_know_is_refused_before_training(tiny):
    examples = read_dataset(tiny.sft_set)
    examples[3]["response"] += " tschüss"
    write_dataset(tiny.sft_set, {}, examples)
    with pytest.raises(StudyError, match="tschüss"):
        sft(tiny, "full", tiny.folder / "sft")
    assert not (tiny.folder / "sft/run.json").exists()


def test_a_model_without_trainable_weights_is_refused(tiny):
    model = load_model(tiny.base, CPU).requires_grad_(False)
    with pytest.raises(StudyError, match="no trainable parameters"):
        WeightGuard(model)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_rl_seed_decides_the_order_of_the_prompts(seed):
    def order(seed: int) -> list[int]:
        prompts = [{"id": i} for i in range(10)]
        return [prompt["id"] for prompt in grpo.order_prompts(prompts, 25, seed)]

    assert sorted(order(seed)[:10]) == sorted(order(seed)[10:20]) == list(range(10))
    assert order(seed) == order(seed)
    assert order(seed) != order(seed + 1)


def test_trl_is_told_every_setting_that_decides_the_result(tmp_path):
    config = grpo.grpo_config(rl_settings("full", top_p=0.9), 3, tmp_path)
    assert config.beta == RL.kl_coefficient
    assert config.use_bias_correction_kl is False
    assert config.loss_type == "grpo"
    assert config.scale_rewards == "group"
    assert config.num_iterations == 1
    assert config.steps_per_generation == config.gradient_accumulation_steps == 2
    assert (config.temperature, config.top_p, config.top_k) == (1.0, 0.9, 0)
    assert config.learning_rate == RL.learning_rate
    assert config.lr_scheduler_type == "constant_with_warmup"
    assert config.bf16 is False
    assert config.activation_checkpointing is False
    assert config.disable_dropout is True
    assert config.seed == 3
