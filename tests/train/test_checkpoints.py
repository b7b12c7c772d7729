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

pytestmark = pytest.mark.slow

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


def interrupt_at(patch: pytest.MonkeyPatch, step: int, act) -> None:
    plain = Trainer.train

    def train(self, *args, **kwargs):
        self.add_callback(At(step, act))
        return plain(self, *args, **kwargs)

    patch.setattr(Trainer, "train", train)


@pytest.fixture
def interrupt(runs, monkeypatch):
    """interrupt(step, act) does something in every trainer once a step is done."""

    def install(step, act):
        interrupt_at(monkeypatch, step, act)
        return monkeypatch.undo

    return install


def kill():
    raise Killed


@pytest.fixture(autouse=True, scope="module")
def some_rewards():
    """A tiny model with random weights answers nothing: reward something that it does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpo, "outcome_reward", lambda problem, text, complete: len(text) % 2)
        yield


class Runs:
    """Trainings of the same settings: those that nothing interrupts are made once."""

    def __init__(self, tiny):
        self.tiny = tiny
        self._whole: dict[tuple, Path] = {}

    def sft(self, adaptation: str, output: Path, seconds: float = 0.0) -> Path:
        tiny = self.tiny
        settings = sft_settings(adaptation, lr_schedule="linear", warmup_steps=3, epochs=10)
        run = RunFolder(output, seconds)
        run_sft(settings, 0, tiny.base, tiny.sft_set, [tiny.sft_set], run)
        return output

    def rl(self, adaptation: str, output: Path, seconds: float = 0.0, **changes) -> Path:
        settings = rl_settings(adaptation, steps=STEPS, scored_steps=[1, 4], **changes)
        policy = self.whole("sft", adaptation) / "model"
        grpo.run_grpo(settings, 0, policy, self.tiny.prompts, RunFolder(output, seconds))
        return output

    def whole(self, stage: str, adaptation: str = "full") -> Path:
        """The run that was left alone."""
        key = (stage, adaptation)
        if key not in self._whole:
            output = self.tiny.folder / "-".join(key)
            self._whole[key] = getattr(self, stage)(adaptation, output)
        return self._whole[key]


@pytest.fixture(scope="module")
def runs(shared_tiny) -> Runs:
    made = Runs(shared_tiny)
    for adaptation in ("full", "lora"):  # before a test interrupts every trainer
        made.whole("rl", adaptation)
    return made


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
@pytest.mark.parametrize(("stage", "step"), [("sft", 23), ("rl", 2), ("rl", 5)])
def test_a_killed_run_goes_on_to_the_same_bits(runs, tmp_path, interrupt, stage, step, adaptation):
    whole, train = runs.whole(stage, adaptation), getattr(runs, stage)
    undo = interrupt(step, kill)
    with pytest.raises(Killed):
        train(adaptation, tmp_path / "run")
    undo()
    resumed = train(adaptation, tmp_path / "run")
    assert outputs(resumed) == outputs(whole)
    last = step // 10 * 10 if stage == "sft" else step  # SFT logs, and saves, every 10 steps
    assert read_json(resumed / "run.json")["resumed_at"] == [last]
    assert read_json(whole / "run.json")["resumed_at"] == []


def test_a_run_killed_as_it_writes_its_results_trains_its_last_steps_again(
    runs, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(RunRecord, "write", lambda *_, **__: kill())
        with pytest.raises(Killed):
            runs.rl("full", tmp_path / "run")
    resumed = runs.rl("full", tmp_path / "run")
    assert outputs(resumed) == outputs(runs.whole("rl"))
    assert read_json(resumed / "run.json")["resumed_at"] == [STEPS - 1]


def test_a_second_signal_ends_a_run_at_once(runs, tmp_path, interrupt):
    def twice():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

    # In the background of a shell, where these tests may run, Python ignores SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    undo = interrupt(2, twice)
    try:
        with pytest.raises(KeyboardInterrupt):
            runs.rl("full", tmp_path / "run")
    finally:
        signal.signal(signal.SIGINT, before)
    undo()


@pytest.mark.parametrize("number", checkpoints._SIGNALS)
def test_a_signal_saves_the_step_and_stops(runs, tmp_path, interrupt, number, capsys):
    before = signal.getsignal(number)
    undo = interrupt(2, lambda: signal.raise_signal(number))
    with pytest.raises(StudyError, match=f"{number.name} at step 3 of 6, which is saved"):
        runs.rl("full", tmp_path / "run", seconds=1e6)
    undo()
    assert signal.getsignal(number) == before
    assert outputs(runs.rl("full", tmp_path / "run")) == outputs(runs.whole("rl"))
    assert "going on from step 3" in capsys.readouterr().err


@pytest.fixture(scope="module")
def killed_at_5(runs, tmp_path_factory) -> Path:
    """Folder of an RL run that was killed after its fifth step."""
    output = tmp_path_factory.mktemp("killed") / "run"
    with pytest.MonkeyPatch.context() as patch:
        interrupt_at(patch, 5, kill)
        with pytest.raises(Killed):
            runs.rl("full", output)
    return output


@pytest.fixture
def killed(killed_at_5, tmp_path) -> Path:
    """A copy of it, to be gone on with."""
    return shutil.copytree(killed_at_5, tmp_path / "run")


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
    runs, killed, capsys, damage, told
):
    newest = max((killed / SCRATCH).glob("*/step-*"))
    assert newest.name == "step-0000005"
    damage(newest)
    resumed = runs.rl("full", killed)
    error = capsys.readouterr().err
    assert f"{newest} is damaged and passed over: {told}" in error
    assert "going on from step 4" in error
    assert outputs(resumed) == outputs(runs.whole("rl"))


def test_a_lost_scored_model_is_made_again(runs, killed):
    (scored,) = (killed / SCRATCH).glob("*/scored/step-4")
    shutil.rmtree(scored)
    assert outputs(runs.rl("full", killed)) == outputs(runs.whole("rl"))


def test_other_settings_do_not_continue_a_checkpoint_nor_spoil_it(runs, killed, interrupt):
    undo = interrupt(5, kill)
    with pytest.raises(Killed):
        runs.rl("full", killed, clip_epsilon=0.3, learning_rate=0.1)
    undo()
    assert outputs(runs.rl("full", killed)) == outputs(runs.whole("rl"))
    assert read_json(killed / "run.json")["resumed_at"] == [5]


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


def test_a_full_disk_is_reported_and_leaves_the_last_checkpoint_whole(runs, small_disk):
    whole = runs.whole("rl")
    checkpoint = sum(f.stat().st_size for f in (whole / "model").iterdir()) * 3
    output = small_disk(2 * checkpoint) / "run"
    with pytest.raises(StudyError, match=r"no space left on the disk of .*: \d.* MB are needed"):
        runs.rl("full", output)
    kept = list((output / SCRATCH).glob("*/step-*"))
    assert kept
    assert not any(map(checkpoints.find_damage, kept))
    small_disk(20 * checkpoint, "remount")
    resumed = runs.rl("full", output)
    assert read_json(resumed / "run.json")["resumed_at"]
    assert outputs(resumed) == outputs(whole)
