"""Every stage x every change x every way to be interrupted: the next run makes what is missing.

Stages are stand-ins. What is made, and how often, is compared with a study made from nothing. One
case for each stage and for each change or interruption is always tested, all their products by
make torture.
"""

import os
import shutil
from pathlib import Path

import pytest

from tests.operate import stand_in
from workflow_scripts.operate import receipts
from workflow_scripts.operate.receipts import State

pytestmark = pytest.mark.slow

# A job of each stage, from data to claims.
JOBS = {
    "validation": "data/gf11/validation-steps",
    "SFT data": "data/gf11/sft-FB-s0",
    "held-out data": "data/gf11/heldout-confirm-FB",
    "prompts": "data/gf11/rl-6-9-s0",
    "SFT": "sft/FB-s0",
    "RL": "rl/FB-s0-rl6-9",
    "rollouts": "rollouts/FB-s0-rl6-9/steps",
    "labels": "labels/FB-s0-rl6-9/steps",
    "scores": "scores/main/steps",
    "mistakes": "mistakes/main",
    "training": "training/main",
    "cross-entropy": "sft_validation/main",
    "provenance": "provenance/main",
    "metrics": "metrics/main",
    "figure": "figures/routing",
    "table": "tables/table1",
    "quantities": "quantities/main",
    "claims": "claims",
}
# The module and the setting that decide what a job of each stage makes.
CODE = {
    "data": "task/datasets.py",
    "sft": "train/sft.py",
    "rl": "train/grpo.py",
    "rollouts": "evaluate/sample.py",
    "labels": "evaluate/label.py",
    "scores": "evaluate/collect.py",
    "mistakes": "evaluate/collect.py",
    "training": "evaluate/collect.py",
    "sft_validation": "evaluate/collect.py",
    "provenance": "evaluate/collect.py",
    "metrics": "evaluate/metrics.py",
    "figures": "experiments/main/selection.py",
    "tables": "report/tables.py",
    "quantities": "experiments/main/improvement.py",
    "claims": "report/claims.py",
}


def edit(path: Path, change) -> None:
    """Change a file's content in a new file, as an editor does."""
    content = change(path.read_bytes())
    path.unlink()
    path.write_bytes(content)


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def in_place(path: Path) -> None:
    """Flip a bit where it lies, so that a hard link to the file has it too; times stay."""
    stat = path.stat()
    with path.open("r+b") as file:
        content = file.read()
        file.seek(0)
        file.write(flip(content))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


DAMAGES = {
    "deleted": (State.MISSING, Path.unlink),
    "edited": (State.DAMAGED, lambda path: edit(path, lambda content: content + b"\n")),
    "cut short": (State.DAMAGED, lambda path: edit(path, lambda content: content[:-3])),
    "emptied": (State.DAMAGED, lambda path: edit(path, lambda _: b"")),
    "a bit flipped": (State.DAMAGED, lambda path: edit(path, flip)),
    "a bit flipped in place": (State.DAMAGED, in_place),
}


def change_code(toy, stage: str) -> None:
    toy.change(f"workflow_scripts/{CODE[stage]}", "\n\n\ndef ", "\n\n_X = 1\n\n\ndef ")


def below(toy, names) -> set[str]:
    return set(receipts.downstream(names, toy.plan().jobs)) & set(toy.verdicts())


DAMAGED = [
    pytest.param(
        job,
        *DAMAGES[damage],
        id=f"{stage}-{damage}",
        marks=[] if stage == "RL" or damage == "a bit flipped" else pytest.mark.torture,
    )
    for stage, job in JOBS.items()
    for damage in DAMAGES
]


@pytest.mark.parametrize(("job", "state", "damage"), DAMAGED)
def test_a_damaged_product_is_named_and_alone_is_made_again(toy, in_process, job, state, damage):
    whole = toy.products()
    outputs = toy.plan().jobs[job].outputs
    path = outputs.get("rollouts") or list(outputs.values())[-1]
    damage(Path(path))
    verdicts = toy.verdicts()
    assert verdicts[job].state is state
    assert path in verdicts[job].reason
    assert toy.bad() == below(toy, [job])
    toy.make()
    assert toy.products() == whole
    # What rests on it comes back from the run cache, as does what was replaced by another file.
    assert toy.done() == ([job] if damage is in_place else [])


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_time_stamps_alone_change_nothing(toy, job):
    for seconds, path in enumerate(toy.plan().jobs[job].outputs.values()):
        os.utime(path, (seconds, seconds))
    assert not toy.bad()
    for path in toy.plan().jobs[job].input_files:
        Path(path).touch()
    assert not toy.bad()


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_changed_code_makes_what_it_made_anew_and_what_rests_on_that(toy, in_process, job):
    stage = job.split("/")[0]
    change_code(toy, stage)
    changed = {name for name in toy.bad() if toy.verdicts()[name].reason == "changed: its code"}
    same_stage = {name for name in toy.verdicts() if name.split("/")[0] == stage}
    assert job in changed
    assert same_stage <= changed
    assert toy.bad() == below(toy, changed)
    toy.make()
    assert not toy.bad()
    assert set(toy.done()) >= changed


SETTINGS = {
    "data={rl_prompts: 31}": "data/gf11/rl-6-9-s0",
    "data={sft_examples: 250}": "data/gf11/sft-FB-s0",
    "sft={learning_rate: 0.5}": "sft/FB-s0",
    "rl={learning_rate: 0.5}": "rl/FB-s0-rl6-9",
    "sampling={n_samples: 3}": "rollouts/FB-s0-rl6-9/steps",
    "statistics={confidence: 0.5}": "metrics/main",
}


@pytest.mark.parametrize(("change", "job"), SETTINGS.items())
def test_a_changed_setting_is_named_and_can_be_taken_back(toy, in_process, change, job):
    before = toy.products()
    section, key, value = change.replace("={", " ").rstrip("}").replace(":", "").split()
    reason = toy.verdicts(change)[job].reason
    assert reason.startswith("changed: ")
    assert f"{key}: " in reason or f"{section}.{key}: " in reason or "n: " in reason
    assert f" -> {value}" in reason
    toy.make(change)
    assert not toy.bad(change)
    assert job in toy.bad(), "and is stale again under the old setting"
    toy.done()
    toy.make()
    assert toy.products() == before
    assert toy.done() == [], "all of it came back from the run cache"


PINS = {"trl": "rl/FB-s0-rl6-9", "pandas": "labels/FB-s0/steps", "matplotlib": "figures/routing"}


@pytest.mark.parametrize(("package", "job"), PINS.items())
def test_a_changed_pin_is_named(toy, package, job):
    toy.change("requirements.txt", f"\n{package}==", f"\n{package}==9")
    assert f"version of {package}: " in toy.verdicts()[job].reason


def test_a_changed_input_that_no_job_makes_is_named(toy):
    config = toy.folder / "data/base/gf11/model/config.json"
    edit(config, lambda content: content + b"\n")
    assert toy.verdicts()["sft/FB-s0"].reason == "changed: data/base/gf11/model/config.json"
    assert toy.bad() == below(toy, ["sft/F-s0", "sft/FB-s0"])


def test_a_file_too_many_beside_a_model_is_damage(toy):
    """It might be read with the model, as generation_config.json is."""
    extra = Path("results/smoke/rl/FB-s0-rl6-9/model/generation_config.json")
    extra.write_text("{}")
    assert toy.verdicts()["rl/FB-s0-rl6-9"].state is State.DAMAGED


RECEIPT_DAMAGES = {
    "deleted": Path.unlink,
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "a bit flipped": lambda path: path.write_bytes(flip(path.read_bytes())),
    "of another job": lambda path: shutil.copyfile(path.parent / "F-s0-rl6-9.json", path),
}


@pytest.mark.parametrize("damage", RECEIPT_DAMAGES.values(), ids=RECEIPT_DAMAGES)
def test_without_its_receipt_nothing_is_a_result(toy, in_process, damage):
    job, whole = "rl/FB-s0-rl6-9", toy.products()
    damage(receipts.receipt_path(Path("results/smoke"), job))
    assert toy.bad() == below(toy, [job])
    toy.make()
    assert toy.products() == whole


INTERRUPTIONS = ["error", "bug", "disk", "killed"]
MOMENTS = ["begin", "between", "end"]
STOPPED = [
    pytest.param(
        job,
        how,
        moment,
        marks=[]
        if stage == "RL" or (how, moment) == ("killed", "between")
        else pytest.mark.torture,
    )
    for stage, job in JOBS.items()
    for how in INTERRUPTIONS
    for moment in MOMENTS
]


@pytest.mark.parametrize(("job", "how", "moment"), STOPPED)
def test_an_interrupted_change_is_never_called_done(toy, in_process, job, how, moment):
    """The code of a stage changes, its job fails; nothing old stands where new is due."""
    stage = job.split("/")[0]
    change_code(toy, stage)
    due = toy.bad()
    stand_in.make_trouble(job, f"{how} {moment}")
    if how == "killed":
        with pytest.raises(stand_in.Killed):
            toy.make()
    else:
        toy.make()
    assert job in toy.bad()
    plan = toy.plan()
    shown = [
        file for name in below(toy, [job]) - {job} for file in plan.jobs[name].outputs.values()
    ]
    assert not [file for file in shown if Path(file).exists()], "what rests on it is not shown"
    toy.make()
    assert not toy.bad()
    made = toy.done()
    assert set(made) >= due & {job}
    assert all(made.count(name) <= 2 for name in made)
    assert toy.products() == made_from_nothing(toy, stage)


def made_from_nothing(toy, stage: str) -> dict[str, bytes]:
    """What the study comes to with the changed code of a stage, in an empty folder."""
    if stage not in _from_nothing:
        shutil.rmtree("results/smoke")
        shutil.rmtree("data/smoke")
        toy.make()
        _from_nothing[stage] = toy.products()
    return _from_nothing[stage]


_from_nothing: dict[str, dict[str, bytes]] = {}
