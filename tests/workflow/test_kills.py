"""A study that is killed again and again ends as one that was left alone.

Three kills; with --torture (make torture) a hundred, and checkpoints are cut short.
"""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import MEASURED, Project, copy_project, only_main

pytestmark = pytest.mark.slow

STUDY = [
    "checkpoint_seconds=0",
    "sft={epochs: 20}",
    "rl={steps: 60, scored_steps: [20]}",
    only_main("FB"),
]
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]


def command(*options: str) -> list[str]:
    configuration = ["--configfile", "config/smoke.yaml", "--config", *STUDY]
    return [sys.executable, "-m", "snakemake", "table1", "claims", *options, *configuration]


def start(project: Project) -> subprocess.Popen:
    return subprocess.Popen(
        command("--cores", "2"),
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=(project.folder / "stderr.log").open("w"),
        start_new_session=True,
        # Ignored, and so by all it starts, where these tests run in the background of a shell.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def checkpoints(project: Project) -> set[Path]:
    return set(project.folder.glob("results/smoke/*/*/scratch/*/step-*"))


def wait_for_a_moment(
    process: subprocess.Popen, project: Project, for_training: bool, rng: random.Random
) -> None:
    """Wait until a run has saved a checkpoint and a little longer, or for some seconds."""
    before, end = checkpoints(project), time.monotonic() + rng.uniform(3, 10)
    while process.poll() is None:
        if checkpoints(project) - before if for_training else time.monotonic() > end:
            time.sleep(rng.uniform(0, 1) * for_training)
            return
        time.sleep(0.02)


def stop_tree(process: subprocess.Popen, number: signal.Signals) -> None:
    """Send a signal to a process and to all that it started, and wait until they are gone."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        try:
            member.send_signal(number)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(family, timeout=60)
    process.wait(timeout=60)
    assert not alive, f"{alive} outlived {number.name}"


def damage_a_checkpoint(project: Project, rng: random.Random) -> bool:
    """Cut a random file of a random checkpoint short, if there is one."""
    files = sorted(project.folder.glob("results/smoke/*/*/scratch/*/step-*/*"))
    files = [path for path in files if path.is_file()]
    if not files:
        return False
    path = rng.choice(files)
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size + 1) // 2])
    return True


def content(path: Path) -> object:
    """What a file says, but for times and for where a run was taken up again."""
    if path.name == "run.json" or (path.parents[1].name == "rollouts" and path.suffix == ".json"):
        record = json.loads(path.read_text())
        return {k: v for k, v in record.items() if k not in (*MEASURED, "resumed_at")}
    if path.name == "log.csv" and path.parents[1].name == "rl":  # the last column is a time
        return [line.rpartition(",")[0] for line in path.read_text().splitlines()]
    return path.read_bytes()


def results(project: Project) -> dict[str, object]:
    folder = project.folder / "results/smoke"
    products = ("base", "sft", "rl", "rollouts", "labels", "scores", "training", "sft_validation")
    shown = ("mistakes", "metrics", "provenance", "tables", "claims.*")
    return {
        path.relative_to(folder).as_posix(): content(path)
        for pattern in (*(f"{name}/**/*" for name in (*products, *shown[:-1])), shown[-1])
        for path in folder.glob(pattern)
        if path.is_file()
    }


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Project:
    project = Project(copy_project(tmp_path_factory.mktemp("whole") / "project"))
    assert start(project).wait() == 0, (project.folder / "stderr.log").read_text()[-3000:]
    return project


def test_a_study_killed_at_random_moments_ends_as_one_left_alone(
    uninterrupted, tmp_path, request, capsys
):
    torture = request.config.getoption("--torture")
    kills = 100 if torture else 3
    project, rng = Project(copy_project(tmp_path / "project")), random.Random(0)
    killed = damaged = finished = 0
    resumed: list[list[int]] = []
    started = time.monotonic()
    while killed < kills:
        process = start(project)
        # A few kills, by SIGKILL alone, all meet trainings that have saved something.
        wait_for_a_moment(process, project, not torture or rng.random() < 0.5, rng)
        if process.poll() is None:
            stop_tree(process, rng.choice(SIGNALS) if torture else signal.SIGKILL)
            killed += 1
        else:
            assert process.returncode == 0, (project.folder / "stderr.log").read_text()[-3000:]
            finished += 1
            resumed += compare(project, uninterrupted)
            project.run("rm", "-rf", "results/smoke", "data/smoke", ".snakemake")
        if torture and rng.random() < 0.3:
            damaged += damage_a_checkpoint(project, rng)
    assert start(project).wait() == 0, (project.folder / "stderr.log").read_text()[-3000:]
    resumed += compare(project, uninterrupted)
    assert any(resumed), "no run was interrupted: kill it at other moments"
    assert damaged or not torture
    with capsys.disabled():
        minutes = (time.monotonic() - started) / 60
        print(
            f"\n{killed} kills, {damaged} damaged checkpoints, {finished + 1} studies finished in "
            f"{minutes:.1f} minutes; their runs were taken up again at steps {resumed}"
        )


def compare(project: Project, whole: Project) -> list[list[int]]:
    """Compare two finished studies; return the steps at which the first one's runs went on."""
    mine, expected = results(project), results(whole)
    assert mine.keys() == expected.keys()
    different = [name for name in expected if mine[name] != expected[name]]
    assert not different
    for log in project.folder.glob("results/smoke/rl/*/log.csv"):
        steps = [line.split(",")[0] for line in log.read_text().splitlines()[1:]]
        assert steps == [str(step) for step in range(1, 61)], "each step exactly once"
    records = project.folder.glob("results/smoke/*/*/run.json")
    return [json.loads(record.read_text())["resumed_at"] for record in records]
