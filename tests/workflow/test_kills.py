"""A study that is killed again and again ends as one that was left alone.

python -m pytest tests/workflow/test_kills.py --kills 100    (make torture)
"""

import json
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.conftest import Project, copy_project

_OTHERS = ("amplification", "composition", "diversity", "robustness", "field13", "longer")
STUDY = [
    "checkpoint_seconds=0",
    "sft={epochs: 20}",
    "rl={steps: 60, scored_steps: [20]}",
    "experiments={main: {models: [FB], rl_steps: [{low: 6, high: 9}]}, "
    + ", ".join(f"{name}: {{enabled: false}}" for name in _OTHERS)
    + "}",
]
# Of a run's own course, not of its results.
VARYING = ("run.json", "log.csv", ".lock")


def command(*options: str) -> list[str]:
    configuration = ["--configfile", "config/smoke.yaml", "--config", *STUDY]
    return [sys.executable, "-m", "snakemake", "main", "claims", *options, *configuration]


def start(project: Project) -> subprocess.Popen:
    return subprocess.Popen(
        command("--cores", "2"),
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=(project.folder / "stderr.log").open("w"),
        start_new_session=True,
    )


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


def results(project: Project) -> dict[str, bytes]:
    folder = project.folder / "results/smoke"
    left_out = {folder / "logs", folder / "benchmarks"}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in VARYING and not left_out & set(path.parents)
    }


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Project:
    project = Project(copy_project(tmp_path_factory.mktemp("whole") / "project"))
    assert start(project).wait() == 0, (project.folder / "stderr.log").read_text()[-3000:]
    return project


def test_a_study_killed_at_random_moments_ends_as_one_left_alone(
    uninterrupted, tmp_path, request, capsys
):
    kills = request.config.getoption("--kills")
    torture = kills > 20
    project, rng = Project(copy_project(tmp_path / "project")), random.Random(0)
    numbers = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT] if torture else [signal.SIGKILL]
    killed = damaged = finished = 0
    started = time.monotonic()
    while killed < kills:
        process = start(project)
        try:
            process.wait(timeout=rng.uniform(4, 16))
        except subprocess.TimeoutExpired:
            stop_tree(process, rng.choice(numbers))
            killed += 1
        else:
            assert process.returncode == 0, (project.folder / "stderr.log").read_text()[-3000:]
            finished += 1
            compare(project, uninterrupted)
            project.run("rm", "-rf", "results/smoke", "data/smoke", ".snakemake")
        if torture and rng.random() < 0.3:
            damaged += damage_a_checkpoint(project, rng)
        subprocess.run(command("--unlock"), cwd=project.folder, capture_output=True, check=True)
    assert start(project).wait() == 0, (project.folder / "stderr.log").read_text()[-3000:]
    compare(project, uninterrupted)
    resumed = [
        json.loads(record.read_text())["resumed_at"]
        for record in project.folder.glob("results/smoke/*/*/run.json")
    ]
    assert any(resumed), "no run was interrupted: kill it at other moments"
    with capsys.disabled():
        minutes = (time.monotonic() - started) / 60
        print(
            f"\n{killed} kills, {damaged} damaged checkpoints, {finished + 1} studies finished in "
            f"{minutes:.1f} minutes; the last one's runs went on at steps {resumed}"
        )


def compare(project: Project, whole: Project) -> None:
    mine, expected = results(project), results(whole)
    assert mine.keys() == expected.keys()
    different = [name for name in expected if mine[name] != expected[name]]
    assert not different
    for log in project.folder.glob("results/smoke/rl/*/log.csv"):
        steps = [line.split(",")[0] for line in log.read_text().splitlines()[1:]]
        assert steps == [str(step) for step in range(1, 61)], "each step exactly once"
