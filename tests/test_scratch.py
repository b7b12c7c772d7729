"""Cleaning removes the checkpoints that nothing would continue, and no others."""

import os
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from workflow_scripts.files import sha256, write_json
from workflow_scripts.lock import lock_folder
from workflow_scripts.records import RECORDS
from workflow_scripts.scratch import (
    IDENTITY,
    clean,
    forget_finished,
    planned_digest,
    remove_unrecorded_rollouts,
    reopen_unrecorded,
)

KNOWN = {"stage": "train.grpo", "settings": {"rl": {"steps": 3}}, "seed": 0, "code_hash": "ab"}


@pytest.fixture
def make(tmp_path):
    """make(run, name, **changes) makes a scratch folder of a run."""
    (tmp_path / "prompts.jsonl").write_text("prompts")

    def scratch(run: str, name: str, **changes):
        folder = tmp_path / "results/rl" / run / "scratch" / name
        inputs = {str(tmp_path / "prompts.jsonl"): sha256(tmp_path / "prompts.jsonl")}
        write_json(folder / IDENTITY, {**KNOWN, "inputs": inputs, **changes})
        (folder / "step-0000001").mkdir()
        return folder

    return scratch


def planned(tmp_path, *runs: str) -> dict[str, str]:
    return {(tmp_path / "results/rl" / run).as_posix(): planned_digest(**KNOWN) for run in runs}


def test_what_a_planned_run_would_continue_stays(make, tmp_path):
    needed = make("one", "aa")
    others = [
        make("one", "bb", seed=1),
        make("one", "cc", code_hash="cd"),
        make("one", "dd", settings={"rl": {"steps": 4}}),
        make("one", "ee", inputs={str(tmp_path / "prompts.jsonl"): "another"}),
        make("one", "ff", inputs={str(tmp_path / "lost.jsonl"): "any"}),
        make("of another configuration", "aa"),
    ]
    damaged = make("one", "gg")
    (damaged / IDENTITY).write_text("{")
    removed = clean(tmp_path / "results", planned(tmp_path, "one", "not begun"))
    assert sorted(removed) == sorted([*others, damaged])
    assert (needed / "step-0000001").is_dir()
    assert not any(path.exists() for path in removed)


def test_a_run_at_work_keeps_its_own(make, tmp_path):
    scratch = make("one", "aa")
    lock = lock_folder(scratch.parents[1])
    assert clean(tmp_path / "results", {}) == []
    lock.close()
    assert clean(tmp_path / "results", {}) == [scratch]


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """recorded(name, seconds) makes a file which is so much younger than snakemake's record."""
    monkeypatch.chdir(tmp_path)

    def make(name: str, seconds: float = 0) -> Path:
        file = Path(name)
        file.parent.mkdir(parents=True)
        file.write_text("{}")
        record = RECORDS / urlsafe_b64encode(name.encode()).decode()
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text("{}")
        os.utime(record, (file.stat().st_mtime - seconds,) * 2)
        return file

    return make


def test_a_finished_run_without_a_record_is_run_again(tmp_path, monkeypatch):
    """The job on a cluster outlived its snakemake: see tests/workflow/test_slurm.py."""
    monkeypatch.chdir(tmp_path)
    for run in ("known", "unknown"):
        folder = Path("results/smoke/rl", run)
        (folder / "scratch/0123/finished").mkdir(parents=True)
        (folder / "run.json").write_text("{}")
    name = urlsafe_b64encode(b"results/smoke/rl/known/run.json").decode()
    Path(".snakemake/metadata").mkdir(parents=True)
    Path(".snakemake/metadata", name).write_text("{}")
    reopen_unrecorded(Path("results/smoke"))
    assert Path("results/smoke/rl/known/run.json").is_file()
    assert not Path("results/smoke/rl/unknown/run.json").exists()
    forget_finished(Path("results/smoke"))
    left = list(Path("results/smoke").glob("rl/*/scratch/*/finished"))
    assert left == [Path("results/smoke/rl/unknown/scratch/0123/finished")]


def test_the_record_of_an_earlier_file_is_none_of_the_one_in_its_place(recorded):
    run = recorded("results/smoke/rl/one/run.json", seconds=10)
    (run.parent / "scratch/0123/finished").mkdir(parents=True)
    reopen_unrecorded(Path("results/smoke"))
    assert not run.exists()


def test_rollouts_of_a_killed_snakemake_that_are_not_recorded_are_removed(recorded):
    known = recorded("results/smoke/rollouts/one/steps.parquet")
    replaced = recorded("results/smoke/rollouts/two/steps.parquet", seconds=10)
    older = Path("results/smoke/rollouts/three/steps.parquet")
    new = Path("results/smoke/rollouts/four/steps.parquet")
    for path in (older, new):
        path.parent.mkdir()
        path.write_text("rollouts")
    remove_unrecorded_rollouts(Path("results/smoke"))
    assert new.is_file(), "no snakemake was killed"
    lock = Path(".snakemake/locks/0.output.lock")
    lock.parent.mkdir()
    lock.touch()
    os.utime(older, (0, 0))
    os.utime(lock, (lock.stat().st_mtime - 5,) * 2)
    remove_unrecorded_rollouts(Path("results/smoke"))
    assert known.is_file()
    assert older.is_file()
    assert not replaced.exists()
    assert not new.exists()
