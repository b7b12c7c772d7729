"""Cleaning removes the checkpoints that nothing would continue, and no others."""

import pytest

from workflow_scripts.common.files import sha256, write_json
from workflow_scripts.common.lock import lock_folder
from workflow_scripts.train.scratch import IDENTITY, planned_digest, remove_unneeded

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
    removed = remove_unneeded(tmp_path / "results", planned(tmp_path, "one", "not begun"))
    assert sorted(removed) == sorted([*others, damaged])
    assert (needed / "step-0000001").is_dir()
    assert not any(path.exists() for path in removed)


def test_a_run_at_work_keeps_its_own(make, tmp_path):
    scratch = make("one", "aa")
    lock = lock_folder(scratch.parents[1])
    assert remove_unneeded(tmp_path / "results", {}) == []
    lock.close()
    assert remove_unneeded(tmp_path / "results", {}) == [scratch]
