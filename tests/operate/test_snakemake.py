"""Snakemake itself on a study of stand-ins: what it runs, how it ends, what it says."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.operate import stand_in
from tests.operate.conftest import CONFIG, TARGETS, Toy
from workflow_scripts.operate.receipts import Receipt, write_receipt

pytestmark = pytest.mark.slow

RL, FIGURE = "rl/FB-s0-rl6-9", "results/smoke/figures/routing.png"
CHANGE = "rl={learning_rate: 0.5}"


@pytest.fixture(scope="module")
def changed(finished, tmp_path_factory) -> dict[str, bytes]:
    """What the study comes to from nothing with the changed setting."""
    folder = tmp_path_factory.mktemp("changed") / "project"
    subprocess.run(["cp", "-a", finished, folder], check=True)
    for made in ("results/smoke", "data/smoke", ".snakemake"):
        shutil.rmtree(folder / made)
    toy = Toy(folder)
    assert toy.study(CHANGE).returncode == 0
    return toy.products()


def start(toy, *options: str) -> subprocess.Popen:
    config = ["--configfile", "config/smoke.yaml", "--config", CONFIG, *options]
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *TARGETS, "--cores", "2", *config],
        stdout=subprocess.DEVNULL,
        stderr=(toy.folder / "stderr.log").open("w"),
        # Ignored, and so by all it starts, where these tests run in the background of a shell.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def interrupt(toy, how: str) -> str:
    """Run the changed study into trouble at its RL job; what it said."""
    if how not in ("SIGINT to all", "SIGKILL to all", "SIGTERM to all"):
        stand_in.make_trouble(RL, how)
        result = toy.study(CHANGE)
        assert result.returncode == 1
        return result.stderr
    stand_in.make_trouble(RL, "wait")
    process = start(toy, CHANGE)
    while not Path("waiting").exists():
        assert process.poll() is None, (toy.folder / "stderr.log").read_text()[-2000:]
        time.sleep(0.02)
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        member.send_signal(getattr(signal, how.split()[0]))
    assert process.wait(timeout=60) != 0
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive
    return (toy.folder / "stderr.log").read_text()


HOW = [
    *("error", "disk", "SIGKILL between", "SIGINT to all", "SIGKILL to all"),
    *(
        pytest.param(how, marks=pytest.mark.torture)
        for how in ("bug between", "SIGKILL", "SIGKILL end", "SIGTERM", "SIGTERM to all")
    ),
]


@pytest.mark.parametrize("how", HOW)
def test_a_failed_rerun_is_never_called_done(toy, changed, how):
    """A finished study, one setting changed, the RL job stopped; then the same command again."""
    said = interrupt(toy, how)
    assert not Path(FIGURE).exists(), "no figure of the old setting stands under the new one"
    assert "Done:" not in said
    if "to all" not in how:
        assert "error: not finished: failed jobs: 1; waiting for them: " in said
        assert f"    {RL}: " in said
        assert said.rstrip().splitlines()[-1].startswith("Go on with: ")
    again = toy.study(CHANGE)
    assert again.returncode == 0, again.stderr[-3000:]
    assert "Done: " in again.stdout
    assert toy.products() == changed
    assert toy.done().count("sft/FB-s0") == 0, "what the setting does not concern is not made again"
    assert not toy.bad(CHANGE)


def test_a_dry_run_writes_nothing(toy):
    def times() -> dict[Path, int]:
        files = (path for folder in ("data", "results") for path in Path(folder).rglob("*"))
        return {path: path.stat().st_mtime_ns for path in files}

    before = times()
    result = toy.study(CHANGE, options=["--dry-run"])
    assert "grpo" in result.stdout
    assert times() == before


def test_what_snakemake_remembers_and_time_stamps_decide_nothing(toy):
    shutil.rmtree(".snakemake")
    for number, path in enumerate(sorted(Path().rglob("*"))):
        if path.is_file():
            os.utime(path, (10**9 - number, 10**9 - number))
    assert "Nothing to be done" in toy.study().stderr
    assert toy.study(CHANGE).returncode == 0
    assert RL in toy.done()


def test_another_profile_keeps_the_promise(toy):
    profile = Path("profiles/mine")
    profile.mkdir()
    (profile / "config.yaml").write_text("cores: 2\nkeep-going: true\n")
    Path("results/smoke/rollouts/FB-s0/steps.parquet").unlink()
    result = toy.study(options=["--workflow-profile", str(profile)])
    assert result.returncode == 0, result.stderr[-2000:]
    assert not toy.bad()


def test_a_setting_changed_on_a_finished_tier_is_told_and_taken_back_at_no_cost(toy):
    before = toy.products()
    told = toy.study(CHANGE).stderr
    assert re.search(
        r"set aside: rl/FB?-s0-rl6-9 and \d+ more: changed: rl.learning_rate: 0.0001 -> 0.5", told
    )
    assert "comes back if it is asked for again" in told
    toy.done()
    assert toy.study().returncode == 0
    assert toy.products() == before
    assert toy.done() == []


def test_results_of_no_job_of_the_configuration_do_not_stay(toy):
    more = "seeds=[0, 1]"
    assert toy.study(more).returncode == 0
    second = Path("results/smoke/rl/FB-s1-rl6-9/run.json")
    assert second.is_file()
    table = Path("results/smoke/tables/table1.md")
    table.unlink()
    told = toy.study().stderr
    assert "no job of this configuration" in told
    assert not second.exists()
    toy.done()
    assert toy.study(more).returncode == 0
    assert second.is_file()
    assert toy.done() == [], "they come back"


def test_what_cannot_succeed_is_not_tried_again(toy):
    """With retries, as on a cluster."""
    stand_in.make_trouble(RL, "error")
    profile = Path("profiles/mine")
    profile.mkdir()
    shutil.copy("profiles/default/config.yaml", profile)
    with (profile / "config.yaml").open("a") as file:
        file.write("retries: 2\n")
    result = toy.study(CHANGE, options=["--workflow-profile", str(profile)])
    assert result.returncode == 1
    assert RL not in toy.done(), "the trouble came once, and the job was not begun again"


def test_touch_is_refused(toy):
    Path(FIGURE).unlink()
    result = toy.study(options=["--touch"])
    assert result.returncode == 1
    assert "error: --touch makes nothing up to date" in result.stderr


def test_a_job_that_is_forced_by_hand_is_really_run_again(toy):
    figure = toy.plan().jobs["figures/routing"].outputs["png"]
    forced = toy.study(options=["--forcerun", figure])
    assert forced.returncode == 0, forced.stderr[-2000:]
    assert toy.done() == ["figures/routing"]


def test_a_planted_receipt_clears_nothing_outside_the_tier(toy):
    outside = Path("Makefile")
    write_receipt(
        Path("results/smoke/receipts/planted.json"),
        Receipt("planted", {}, {}, {"Makefile": "0", "results/smoke/../../Makefile": "0"}, ""),
    )
    Path(FIGURE).unlink()
    assert toy.study().returncode == 0
    assert outside.is_file()
    assert not Path("results/smoke/receipts/planted.json").exists()
