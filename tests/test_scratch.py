"""Cleaning removes the checkpoints that nothing would continue, and no others."""

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from workflow_scripts.files import sha256, write_json
from workflow_scripts.lock import lock_folder
from workflow_scripts.scratch import (
    IDENTITY,
    clean,
    forget_finished,
    planned_digest,
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
    assert not list(Path("results/smoke").glob("rl/*/scratch/*"))
