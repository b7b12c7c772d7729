"""A run that was interrupted ends with the bits of one that was not."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from transformers import Trainer, TrainerCallback

from tests.conftest import MEASURED
from tests.train.conftest import rl_settings, sft_settings
from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json
from workflow_scripts.train import checkpoints, grpo
from workflow_scripts.train.record import RunRecord
from workflow_scripts.train.run_folder import SCRATCH, RunFolder
from workflow_scripts.train.sft import run_sft

STEPS = 6


class Killed(Exception):
    pass


class At(TrainerCallback):
    """Does something at the end of a step, after the checkpoint of that step was asked for."""

    def __init__(self, step: int, act):
        self.step, self.act = step, act

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            self.act()


@pytest.fixture
def interrupt(monkeypatch):
    """interrupt(step, act) does something in every trainer once a step is done."""

    def install(step, act):
        plain = Trainer.train

        def train(self, *args, **kwargs):
            self.add_callback(At(step, act))
            return plain(self, *args, **kwargs)

        monkeypatch.setattr(Trainer, "train", train)
        return lambda: monkeypatch.setattr(Trainer, "train", plain)

    return install


def kill():
    raise Killed


@pytest.fixture
def some_rewards(monkeypatch):
    monkeypatch.setattr(grpo, "outcome_reward", lambda problem, text, complete: len(text) % 2)


def train_sft(tiny, adaptation, name, seconds=0.0) -> Path:
    settings = sft_settings(adaptation, lr_schedule="linear", warmup_steps=3, epochs=10)
    run = RunFolder(tiny.folder / name / "run", seconds)
    run_sft(settings, 0, tiny.base, tiny.sft_set, [tiny.sft_set], run)
    return run.folder


def train_rl(tiny, adaptation, name, seconds=0.0) -> Path:
    policy = tiny.folder / f"policy-{adaptation}" / "run"
    if not policy.is_dir():
        train_sft(tiny, adaptation, policy.parent.name)
    settings = rl_settings(adaptation, steps=STEPS, scored_steps=[1, 4])
    run = RunFolder(tiny.folder / name / "run", seconds)
    grpo.run_grpo(settings, 0, policy / "model", tiny.prompts, run)
    return run.folder


def outputs(run: Path) -> dict[str, str | bytes]:
    """All that a run leaves behind, but for what times tell."""
    files = {path.relative_to(run).as_posix(): path for path in run.rglob("*") if path.is_file()}
    files = {name: path for name, path in files.items() if not name.startswith(f"{SCRATCH}/")}
    content = {name: path.read_bytes() for name, path in files.items() if name != "run.json"}
    if "rollouts.csv" in content:  # the last column of RL's log is the time of a step
        lines = content["log.csv"].decode().splitlines()
        content["log.csv"] = [line.rsplit(",", 1)[0] for line in lines]
    record = read_json(files["run.json"])
    for name in (*MEASURED, "resumed_at"):
        del record[name]
    return {**content, "run.json": json.dumps(record)}


@pytest.mark.parametrize("adaptation", ["full", "lora"])
@pytest.mark.parametrize(("train", "step"), [(train_sft, 23), (train_rl, 2), (train_rl, 5)])
def test_a_killed_run_goes_on_to_the_same_bits(
    tiny, interrupt, some_rewards, train, step, adaptation
):
    whole = train(tiny, adaptation, "whole")
    undo = interrupt(step, kill)
    with pytest.raises(Killed):
        train(tiny, adaptation, "killed")
    undo()
    resumed = train(tiny, adaptation, "killed")
    assert outputs(resumed) == outputs(whole)
    last = step // 10 * 10 if train is train_sft else step  # SFT logs, and saves, every 10 steps
    assert read_json(resumed / "run.json")["resumed_at"] == [last]
    assert read_json(whole / "run.json")["resumed_at"] == []


def test_a_run_killed_as_it_writes_its_results_trains_its_last_steps_again(
    tiny, some_rewards, monkeypatch
):
    whole = train_rl(tiny, "full", "whole")
    with monkeypatch.context() as patch:
        patch.setattr(RunRecord, "write", lambda *_, **__: kill())
        with pytest.raises(Killed):
            train_rl(tiny, "full", "killed")
    resumed = train_rl(tiny, "full", "killed")
    assert outputs(resumed) == outputs(whole)
    assert read_json(resumed / "run.json")["resumed_at"] == [STEPS - 1]


def test_a_second_signal_ends_a_run_at_once(tiny, interrupt, some_rewards):
    def twice():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

    # In the background of a shell, where these tests may run, Python ignores SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    undo = interrupt(2, twice)
    try:
        with pytest.raises(KeyboardInterrupt):
            train_rl(tiny, "full", "stopped")
    finally:
        signal.signal(signal.SIGINT, before)
    undo()


@pytest.mark.parametrize("number", checkpoints._SIGNALS)
def test_a_signal_saves_the_step_and_stops(tiny, interrupt, some_rewards, number, capsys):
    whole = train_rl(tiny, "full", "whole")
    before = signal.getsignal(number)
    undo = interrupt(2, lambda: signal.raise_signal(number))
    with pytest.raises(StudyError, match=f"{number.name} at step 3 of 6, which is saved"):
        train_rl(tiny, "full", "stopped", seconds=1e6)
    undo()
    assert signal.getsignal(number) == before
    assert outputs(train_rl(tiny, "full", "stopped")) == outputs(whole)
    assert "going on from step 3" in capsys.readouterr().err


def cut_short(folder):
    (folder / "optimizer.pt").write_bytes((folder / "optimizer.pt").read_bytes()[:100])


def alter(folder):
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def lose(folder):
    (folder / "rollouts.csv").unlink()


def lose_manifest(folder):
    (folder / "checkpoint.json").unlink()


def garble_manifest(folder):
    (folder / "checkpoint.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut_short, "optimizer.pt differs from its hash"),
        (alter, "model.safetensors differs from its hash"),
        (lose, "rollouts.csv is missing"),
        (lose_manifest, "checkpoint.json"),
        (garble_manifest, "checkpoint.json"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    tiny, interrupt, some_rewards, capsys, damage, told
):
    whole = train_rl(tiny, "full", "whole")
    undo = interrupt(5, kill)
    with pytest.raises(Killed):
        train_rl(tiny, "full", "killed")
    undo()
    newest = max((tiny.folder / "killed/run" / SCRATCH).glob("*/step-*"))
    assert newest.name == "step-0000005"
    damage(newest)
    resumed = train_rl(tiny, "full", "killed")
    error = capsys.readouterr().err
    assert f"{newest} is damaged and passed over: {told}" in error
    assert "going on from step 4" in error
    assert outputs(resumed) == outputs(whole)


def test_a_lost_scored_model_is_made_again(tiny, interrupt, some_rewards):
    whole = train_rl(tiny, "full", "whole")
    undo = interrupt(5, kill)
    with pytest.raises(Killed):
        train_rl(tiny, "full", "killed")
    undo()
    (scored,) = (tiny.folder / "killed/run/scratch").glob("*/scored/step-4")
    shutil.rmtree(scored)
    assert outputs(train_rl(tiny, "full", "killed")) == outputs(whole)


def test_other_settings_do_not_continue_a_checkpoint_nor_spoil_it(tiny, interrupt, some_rewards):
    whole = train_rl(tiny, "full", "whole")
    policy, output = tiny.folder / "policy-full/run/model", tiny.folder / "killed/run"
    changes = {"clip_epsilon": 0.3, "learning_rate": 0.1}
    settings = rl_settings("full", steps=STEPS, scored_steps=[1, 4], **changes)
    undo = interrupt(5, kill)
    with pytest.raises(Killed):
        train_rl(tiny, "full", "killed")
    with pytest.raises(Killed):
        grpo.run_grpo(settings, 0, policy, tiny.prompts, RunFolder(output, 0))
    undo()
    assert outputs(train_rl(tiny, "full", "killed")) == outputs(whole)
    assert read_json(output / "run.json")["resumed_at"] == [5]


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(bytes) mounts a disk of that size, or changes its size."""
    folder = tmp_path / "small-disk"
    folder.mkdir()

    def mount(size: int, *options: str) -> Path:
        flags = ",".join([f"size={size}", *options])
        command = ["mount", "-t", "tmpfs", "-o", flags, "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small disk cannot be mounted by this user")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], check=False)


def test_a_full_disk_is_reported_and_leaves_the_last_checkpoint_whole(
    tiny, some_rewards, small_disk
):
    whole = train_rl(tiny, "full", "whole")
    checkpoint = sum(f.stat().st_size for f in (whole / "model").iterdir()) * 3
    name = small_disk(2 * checkpoint).relative_to(tiny.folder)
    with pytest.raises(StudyError, match=r"no space left on the disk of .*: \d.* MB are needed"):
        train_rl(tiny, "full", name)
    kept = list((tiny.folder / name / "run" / SCRATCH).glob("*/step-*"))
    assert kept
    assert not any(map(checkpoints.find_damage, kept))
    small_disk(20 * checkpoint, "remount")
    resumed = train_rl(tiny, "full", name)
    assert read_json(resumed / "run.json")["resumed_at"]
    assert outputs(resumed) == outputs(whole)
