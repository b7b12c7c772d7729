"""The study on a real SLURM cluster of two nodes, and all that happens to jobs there."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import Project, copy_project, only_main
from tests.workflow.mini_cluster import MiniCluster, why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(why_not() is not None, reason=f"no SLURM here: {why_not()}"),
]
NO_ACCOUNTING = why_not(accounting=True)

# One machine shows a file at once; everything else is the profile's.
PROFILE = ["--workflow-profile", "profiles/slurm", "--latency-wait", "10"]
# One SFT and one RL run for each of two models, whose RL is saved after every step.
SMALL = [
    "checkpoint_seconds=0",
    "jobs={gpus: 1}",
    "rl={steps: 150, scored_steps: []}",
    only_main("F, FB"),
]
RARELY_SAVED = ["checkpoint_seconds=100000", *SMALL[1:]]
RUNS = ["F-s0-rl6-9", "FB-s0-rl6-9"]
MODELS = [f"results/smoke/rl/{run}/run.json" for run in RUNS]


@contextmanager
def running(folder: Path, *, accounting: bool = False) -> Iterator[MiniCluster]:
    """A cluster, which is the one that all commands meet."""
    cluster = MiniCluster(folder, accounting=accounting)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


def arguments(targets: list[str], config: list[str], *options: str) -> list[str]:
    configuration = ["--configfile", "config/smoke.yaml", "--config", *config]
    return [sys.executable, "-m", "tests.workflow.impatient", *targets, *options, *configuration]


_started: list[subprocess.Popen] = []


def start(project: Project, targets: list[str], config: list[str], *options: str):
    process = subprocess.Popen(
        arguments(targets, config, *options),
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=(project.folder / "stderr.log").open("w"),
    )
    _started.append(process)
    return process


@pytest.fixture(autouse=True)
def no_snakemake_is_left():
    yield
    while _started:
        _started.pop().kill()


def said(project: Project) -> str:
    return (project.folder / "stderr.log").read_text()


def end(process: subprocess.Popen, project: Project) -> None:
    assert process.wait(timeout=600) == 0, said(project)[-4000:]


def record(project: Project, run: str) -> dict:
    return json.loads((project.folder / f"results/smoke/rl/{run}/run.json").read_text())


def weights(project: Project, runs: list[str] = RUNS) -> dict[str, str]:
    """The hash of the weights of each RL run."""
    return {run: record(project, run)["files"]["model.safetensors"] for run in runs}


def resumed_at(project: Project, run: str) -> list[int]:
    return record(project, run)["resumed_at"]


def job_of(cluster: MiniCluster, run: str) -> str | None:
    """The id of the running job of an RL run."""
    for line in cluster.jobs("-tR", format="%i|%k"):
        id, comment = line.split("|", 1)
        if comment == f"rule_grpo_wildcards_{run}":
            return id
    return None


def wait_for_checkpoint(cluster: MiniCluster, project: Project, run: str) -> str:
    """Wait until an RL run has saved a new checkpoint in a job; its id."""
    saved = lambda: set(project.folder.glob(f"results/smoke/rl/{run}/scratch/*/step-*"))  # noqa: E731
    cluster.wait_until(lambda: job_of(cluster, run), seconds=180)
    before = saved()  # the job before this one may have saved as it ended
    cluster.wait_until(lambda: saved() - before, seconds=120)
    return job_of(cluster, run)


def interrupt(cluster: MiniCluster, project: Project, run: str, *command: str) -> None:
    """Give SLURM a command about the job of an RL run that has saved a checkpoint."""
    cluster.ask(*command, wait_for_checkpoint(cluster, project, run))
    cluster.wait_until(lambda: job_of(cluster, run) is None)


def wait_for_training(cluster: MiniCluster, project: Project, run: str) -> str:
    """Wait until an RL run that saves nothing trains in a job; its id."""
    scratch = project.folder / f"results/smoke/rl/{run}/scratch"
    cluster.wait_until(lambda: job_of(cluster, run) and any(scratch.glob("*")), seconds=180)
    time.sleep(1)  # that it listens to signals
    return job_of(cluster, run)


def trainings(project: Project, run: str) -> list[psutil.Process]:
    """The processes that train an RL run."""
    command = ["workflow_scripts.operate.job", f"results/smoke/plan/rl/{run}.json"]
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] == str(project.folder)
        and all(word in (process.info["cmdline"] or ()) for word in command)
    ]


@contextmanager
def standing_still(project: Project, run: str) -> Iterator[None]:
    """Let an RL run's training stand still: at any speed of it, SLURM has the time it takes."""
    (training,) = trainings(project, run)
    training.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            training.resume()


def gpus_in_use(cluster: MiniCluster) -> list[tuple[str, str]]:
    """(node, number of the GPU) of every running job."""
    shown = cluster.ask("scontrol", "show", "job", "--details", "--oneliner")
    running = [line for line in shown.splitlines() if "JobState=RUNNING" in line]
    found = (re.search(r"BatchHost=(\S+) .* GRES=gpu:fake:1\(IDX:(\d)\)", line) for line in running)
    return [match.groups() for match in found if match]


@pytest.fixture(scope="module")
def sft(tmp_path_factory) -> Path:
    """Folder of a project in which the models of the small study are ready for RL."""
    project = Project(copy_project(tmp_path_factory.mktemp("sft") / "project"))
    models = [f"results/smoke/sft/{model}-s0/run.json" for model in ("F", "FB")]
    end(start(project, models, SMALL, "--cores", "2"), project)
    return project.folder


@pytest.fixture(scope="module")
def alone(sft, tmp_path_factory) -> Project:
    """The small study on one machine, without a cluster."""
    project = Project(shutil.copytree(sft, tmp_path_factory.mktemp("alone") / "project"))
    end(start(project, MODELS, RARELY_SAVED, "--cores", "2"), project)
    return project


@pytest.fixture
def after_sft(sft, tmp_path) -> Project:
    return Project(shutil.copytree(sft, tmp_path / "project"))


@pytest.fixture(scope="module")
def frugal(tmp_path_factory) -> Project:
    """Rollouts of two SFT models, whose training asked for too little memory at first.

    On a cluster with accounting, where that can be started.
    """
    project = Project(copy_project(tmp_path_factory.mktemp("frugal") / "project"))
    rollouts = [
        f"results/smoke/rollouts/{run}/{name}.parquet"
        for run in ("F-s0", "FB-s0")
        for name in ("steps", "pass_at_k")
    ]
    scarce = ["--set-resources", "sft:mem_mb=300 * attempt * attempt"]
    with running(tmp_path_factory.mktemp("slurm"), accounting=NO_ACCOUNTING is None):
        end(start(project, rollouts, ["jobs={gpus: 0}"], *PROFILE, *scarce), project)
    return project


def test_a_table_of_a_cluster_is_that_of_one_machine(cluster, smoke, project):
    config = ["jobs={gpus: 1}"]
    process = start(project, ["table_longer", "cluster_check"], config, *PROFILE)
    most = []
    while process.poll() is None:
        used = gpus_in_use(cluster)
        assert len(set(used)) == len(used), "two jobs share a GPU"
        most = max(most, used, key=len)
        time.sleep(0.5)
    end(process, project)
    assert len(most) > 1, "GPU jobs ran one after another"
    assert "slurm: states of jobs by squeue, there is no accounting" in said(project)
    for name in ("longer.csv", "longer.md"):
        table, same = (p.folder / "results/smoke/tables" / name for p in (project, smoke))
        assert table.read_bytes() == same.read_bytes()


def test_a_job_at_its_time_limit_goes_on_in_the_next(cluster, alone, after_sft):
    """Nothing is saved but on the signal that announces the end."""
    process = start(after_sft, MODELS[:1], RARELY_SAVED, *PROFILE)
    job = wait_for_training(cluster, after_sft, RUNS[0])
    with standing_still(after_sft, RUNS[0]):
        # Limits are minutes, and SLURM looks at them twice a minute.
        cluster.ask("scontrol", "update", f"jobid={job}", "endtime=now")
        cluster.wait_until(lambda: job_of(cluster, RUNS[0]) != job, seconds=60)
    end(process, after_sft)
    assert f"slurm: rule_grpo F-s0-rl6-9 as job {job} came to its time limit" in said(after_sft)
    assert resumed_at(after_sft, RUNS[0])
    assert weights(after_sft, RUNS[:1]) == weights(alone, RUNS[:1])


def test_cancelled_requeued_lost_and_orphaned_jobs_end_with_the_same_weights(
    cluster, alone, after_sft
):
    process = start(after_sft, MODELS, SMALL, *PROFILE)
    interrupt(cluster, after_sft, RUNS[0], "scancel")
    interrupt(cluster, after_sft, RUNS[1], "scontrol", "requeue")

    wait_for_checkpoint(cluster, after_sft, RUNS[1])
    with standing_still(after_sft, RUNS[1]):
        job = wait_for_checkpoint(cluster, after_sft, RUNS[0])
        with standing_still(after_sft, RUNS[0]):
            cluster.stop_controller()
            time.sleep(5)
            cluster.start_controller()
            node = cluster.jobs(f"-j{job}", format="%N")[0]
            cluster.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
            cluster.wait_until(lambda: job_of(cluster, RUNS[0]) is None)
            # SLURM drains a node that runs a job's process when the job comes there again.
            cluster.wait_until(
                lambda: (
                    not any(trainings(after_sft, run) for run in RUNS if not job_of(cluster, run))
                )
            )
            cluster.ask("scontrol", "update", f"nodename={node}", "state=resume")

        wait_for_checkpoint(cluster, after_sft, RUNS[0])
        process.send_signal(signal.SIGKILL)
        process.wait()
        refused = after_sft.run(*arguments(MODELS, SMALL, *PROFILE))
    assert refused.returncode == 1
    assert "are in SLURM's queue" in refused.stderr
    assert "make resume TIER=smoke" in refused.stderr

    settle = [sys.executable, "-m", "workflow_scripts.operate.cluster", "--tier", "smoke"]
    waited = after_sft.run(*settle)
    assert waited.returncode == 0, waited.stderr
    assert "waiting for" in waited.stderr
    end(start(after_sft, MODELS, SMALL, *PROFILE), after_sft)
    assert "Nothing to be done" in said(after_sft), "the orphans' work was kept"
    assert weights(after_sft) == weights(alone)
    assert resumed_at(after_sft, RUNS[0])
    assert resumed_at(after_sft, RUNS[1])


def test_resume_cancels_where_that_is_asked(cluster, after_sft):
    process = start(after_sft, MODELS, RARELY_SAVED, *PROFILE)
    wait_for_training(cluster, after_sft, RUNS[0])
    process.send_signal(signal.SIGKILL)
    process.wait()
    settle = [
        sys.executable,
        "-m",
        "workflow_scripts.operate.cluster",
        "--tier",
        "smoke",
        "--cancel",
    ]
    assert after_sft.run(*settle).returncode == 0
    assert not cluster.jobs(format="%i")
    saved = after_sft.folder.glob(f"results/smoke/rl/{RUNS[0]}/scratch/*/step-*")
    assert list(saved), "it saved its state when it was told to end"


@pytest.mark.skipif(NO_ACCOUNTING is not None, reason=f"no accounting here: {NO_ACCOUNTING}")
def test_where_there_is_accounting_it_tells_the_states_of_jobs(frugal):
    assert "slurm: states of jobs by sacct" in said(frugal)


def test_a_job_without_memory_is_reported_and_tried_again_with_more(frugal):
    assert re.search("slurm: rule_sft F-s0 as job .* asked for too little memory", said(frugal))


def test_short_rollouts_share_a_job(frugal):
    """And ask for no more cores than a node of this cluster has."""
    tried_again = said(frugal).count("Trying to restart")
    submitted = said(frugal).count("has been submitted") - tried_again
    assert submitted == 3, "two of SFT, one of rollouts"


def test_what_the_site_asks_for_reaches_sbatch(cluster, project, monkeypatch):
    monkeypatch.setenv("STUDY_CPU_PARTITION", "gpu")
    monkeypatch.setenv("STUDY_CONSTRAINT", "nowhere")
    result = project.run(*arguments(["cluster_check"], SMALL[:1], *PROFILE))
    assert result.returncode == 1
    assert "-p gpu" in result.stderr
    assert "-C nowhere" in result.stderr


def test_an_unknown_key_of_the_site_is_named(project):
    site = project.folder / "profiles/slurm/site.yaml"
    site.write_text(site.read_text() + "partition: x\n")
    result = project.run(*arguments(["cluster_check"], SMALL[:1], *PROFILE, "--dry-run"))
    assert result.returncode
    assert "site.yaml: partition: not one of account, cpu_partition" in result.stderr
