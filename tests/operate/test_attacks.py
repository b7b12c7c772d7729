"""What a reviewer tried, so that something wrong be taken for good, or something good be lost."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from tests.operate import stand_in
from workflow_scripts.common import jobs
from workflow_scripts.common.errors import StudyError
from workflow_scripts.operate import job, receipts, run_cache, sharing
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.session import Session
from workflow_scripts.operate.verify import judge_jobs
from workflow_scripts.plan.configuration import read_tier

pytestmark = pytest.mark.slow

SFT, RL = "sft/FB-s0", "rl/FB-s0-rl6-9"
MODEL = Path("results/smoke/sft/FB-s0/model")
CLAIMS = Path("results/smoke/claims.md")


def test_compiled_code_is_taken_by_the_content_of_its_source(toy):
    """A file copied with its time stamp would else run as the code that it replaced."""
    CLAIMS.unlink()
    assert toy.study().returncode == 0
    compiled = Path(importlib.util.cache_from_source("workflow_scripts/task/datasets.py"))
    assert compiled.read_bytes()[4] & 0b11 == 0b11, "hash-based, and checked"


@pytest.mark.parametrize("what", ["its code", "an input"])
def test_what_changes_while_a_job_runs_makes_no_result(toy, monkeypatch, what):
    planned = toy.plan().jobs["claims"]

    def run(self):
        stand_in.run(self)
        if what == "its code":
            toy.change("workflow_scripts/report/claims.py", "def judge", "_X = 1\n\n\ndef judge")
        else:
            Path(planned.input_files[0]).write_text("altered")

    monkeypatch.setattr(jobs.Job, "run", run)
    shutil.rmtree("results/smoke/run-cache")
    with pytest.raises(StudyError, match="changed while it ran"):
        job.run_job(planned, toy.plan().results)
    assert "claims" in toy.bad()


def test_exact_measures_of_checkpoints_read_the_checkpoints(toy):
    files = toy.plan().jobs["exact/FB-s0-rl6-9/checkpoints"].input_files
    (scored,) = (file for file in files if "/checkpoints/step-" in file)
    assert scored in toy.plan().jobs[RL].outputs.values()


def test_a_tier_is_called_as_its_file_is(toy):
    Path("config/mine.yaml").write_text("tier: smoke\n")
    with pytest.raises(StudyError, match="tier: smoke: mine, the name of the file"):
        read_tier("mine")


@pytest.mark.parametrize("name", ["tables/old_table.csv", "rl_benchmark.json", "notes/mine.txt"])
def test_what_no_job_made_is_not_published(toy, name):
    path = Path("results/smoke", name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("wrong")
    judgement = judge_jobs(toy.plan(), toy.plan().jobs, Contents())
    with pytest.raises(StudyError, match=f"no job of this configuration made {path}"):
        sharing.refuse_unknown_files(toy.plan(), judgement)
    path.unlink()
    sharing.refuse_unknown_files(toy.plan(), judgement)


def test_forcing_everything_by_mistake_loses_nothing(toy):
    before = toy.products()
    stand_in.make_trouble("data/gf11/validation-steps", "error")
    assert toy.study(options=["--forceall"]).returncode == 1
    toy.done()
    assert toy.study().returncode == 0
    assert toy.products() == before
    assert not {SFT, RL} & set(toy.done())


def test_a_run_cache_without_its_files_is_filled_again_before_anything_is_cleared(toy, in_process):
    for folder in Path("results/smoke/run-cache").rglob("files"):
        shutil.rmtree(folder)
    before = toy.products()
    Path("data/smoke/gf11/sft-FB-s0.jsonl").unlink()
    toy.make()
    assert toy.products() == before
    assert toy.done() == ["data/gf11/sft-FB-s0"]


@pytest.mark.parametrize("name", [".DS_Store", ".#config.json"])
def test_a_stray_file_beside_a_model_trains_nothing(toy, in_process, name):
    """Of a restored clone, which has no run cache."""
    shutil.rmtree("results/smoke/run-cache")
    before = toy.products()
    if name.startswith(".#"):
        (MODEL / name).symlink_to("user@host:1")
    else:
        (MODEL / name).write_text("")
    toy.make()
    assert {path: toy.products()[path] for path in before} == before
    assert toy.done() == []


def test_a_stray_file_in_the_run_cache_stops_no_job(toy, in_process):
    folder = Path("results/smoke/run-cache/claims")
    (folder / ".DS_Store").write_text("")
    (folder / "mine").mkdir()
    toy.change("workflow_scripts/report/claims.py", "def judge", "_X = 1\n\n\ndef judge")
    toy.make()
    assert toy.done() == ["claims"]
    assert (folder / ".DS_Store").exists()


def test_what_lies_behind_a_symbolic_link_is_not_cleared(toy, in_process, tmp_path):
    mine = tmp_path / "my models"
    shutil.move(MODEL, mine)
    (mine / "thesis.txt").write_text("mine")
    MODEL.symlink_to(mine)
    with pytest.raises(StudyError, match=f"{MODEL} is a symbolic link"):
        toy.make()
    assert (mine / "thesis.txt").read_text() == "mine"


def test_all_edits_of_a_result_are_kept(toy, in_process):
    for text in ("first notes", "second notes"):
        CLAIMS.unlink()
        CLAIMS.write_text(text)
        toy.make()
    kept = Path("results/smoke/set-aside").rglob("claims.md")
    assert sorted(path.read_text() for path in kept) == ["first notes", "second notes"]


def test_an_edit_after_the_plan_was_made_is_kept(toy):
    """Snakemake reads the files, and only then takes the lock."""
    session = Session(toy.plan("statistics={confidence: 0.9}"))
    assert not session.verdicts["claims"].good
    CLAIMS.unlink()
    CLAIMS.write_text("notes")
    session.begin(["claims"], is_local=True, is_touch=False)
    (kept,) = Path("results/smoke/set-aside").rglob("claims.md")
    assert kept.read_text() == "notes"


def test_a_copy_of_a_receipt_is_left_alone(toy, in_process):
    copy = Path("results/smoke/receipts/claims-backup.json")
    shutil.copy(receipts.receipt_path(Path("results/smoke"), "claims"), copy)
    CLAIMS.unlink()
    toy.make()
    assert copy.is_file()


@pytest.mark.parametrize("content", ["[]", "{", '{"results/smoke/claims.md": 1}'])
def test_a_damaged_list_of_hashes_is_made_anew(toy, content):
    Path("results/smoke/.hashes.json").write_text(content)
    result = toy.study()
    assert result.returncode == 0, result.stderr[-1000:]
    assert "Nothing to be done" in result.stderr


def test_two_disks(toy, in_process, tmp_path):
    """Where there are no hard links between data and results, files are copied."""
    other = Path("/dev/shm")
    if not os.access(other, os.W_OK) or other.stat().st_dev == Path().stat().st_dev:
        pytest.skip("there is no second disk here")
    folder = other / tmp_path.name
    shutil.move("data/smoke", folder)
    try:
        Path("data/smoke").symlink_to(folder)
        before = toy.products()
        path = Path("data/smoke/gf11/sft-FB-s0.jsonl")
        path.write_text("altered")
        toy.make()
        assert toy.products() == before
    finally:
        shutil.rmtree(folder)


def test_the_newest_results_are_kept_in_the_order_of_their_use(toy, in_process):
    changes = [f"rl={{learning_rate: {rate}}}" for rate in (0.1, 0.2)]
    toy.make(changes[0])
    toy.make()  # the first again, put back
    toy.make(changes[1])
    toy.done()
    toy.make()
    assert RL not in toy.done(), "it was shown last before"
    assert len(list(Path("results/smoke", run_cache.RUN_CACHE, RL).iterdir())) == 2
