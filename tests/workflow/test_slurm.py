"""The study on a real SLURM cluster of two nodes, and all that happens to jobs there."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import Project, copy_project, only_main
from tests.workflow.mini_cluster import MiniCluster, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"no SLURM here: {why_not()}")

# Polls as often as SLURM's own scheduler looks at the queue; everything else is the profile's.
PROFILE = [
    "--workflow-profile",
    "profiles/slurm",
    "--slurm-init-seconds-before-status-checks",
    "3",
    "--latency-wait",
    "10",
]
# One SFT and one RL run for each of two models; RL takes half a minute and is saved all the time.
SMALL = [
    "checkpoint_seconds=0",
    "jobs={gpus: 1}",
    "rl={steps: 250, scored_steps: []}",
    only_main("F, FB"),
]
RUNS = ["F-s0-rl6-9", "FB-s0-rl6-9"]
MODELS = [f"results/smoke/rl/{run}/run.json" for run in RUNS]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = MiniCluster(tmp_path_factory.mktemp("slurm"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        cluster.start()
        yield cluster
        cluster.stop()


def arguments(targets: list[str], config: list[str], *options: str) -> list[str]:
    configuration = ["--configfile", "config/smoke.yaml", "--config", *config]
    return [sys.executable, "-m", "snakemake", *targets, *options, *configuration]


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


def weights(project: Project) -> dict[str, str]:
    """The hash of the weights of each RL run."""
    records = {
        run: json.loads((project.folder / file).read_text())
        for run, file in zip(RUNS, MODELS, strict=True)
    }
    return {run: record["files"]["model.safetensors"] for run, record in records.items()}


def resumed_at(project: Project, run: str) -> list[int]:
    return json.loads((project.folder / f"results/smoke/rl/{run}/run.json").read_text())[
        "resumed_at"
    ]


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
    before = saved()
    cluster.wait_until(lambda: job_of(cluster, run) and saved() - before, seconds=180)
    return job_of(cluster, run)


def gpus_in_use(cluster: MiniCluster) -> list[tuple[str, str]]:
    """(node, number of the GPU) of every running job."""
    shown = cluster.ask("scontrol", "show", "job", "--details", "--oneliner")
    running = [line for line in shown.splitlines() if "JobState=RUNNING" in line]
    found = (re.search(r"BatchHost=(\S+) .* GRES=gpu:fake:1\(IDX:(\d)\)", line) for line in running)
    return [match.groups() for match in found if match]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Project:
    """The small study on one machine, without a cluster."""
    project = Project(copy_project(tmp_path_factory.mktemp("alone") / "project"))
    end(start(project, MODELS, SMALL, "--cores", "2"), project)
    return project


def test_tables_of_a_cluster_are_those_of_one_machine(cluster, smoke, project):
    config = ["jobs={gpus: 1}"]
    process = start(project, ["table1", "cluster_check"], config, *PROFILE)
    most = []
    while process.poll() is None:
        used = gpus_in_use(cluster)
        assert len(set(used)) == len(used), "two jobs share a GPU"
        most = max(most, used, key=len)
        time.sleep(0.5)
    end(process, project)
    assert len(most) > 2, "GPU jobs ran one after another"
    assert "slurm: states of jobs by squeue, there is no accounting" in said(project)
    for name in ("table1.csv", "table1.md"):
        table, same = (p.folder / "results/smoke/tables" / name for p in (project, smoke))
        assert table.read_bytes() == same.read_bytes()


def test_a_job_at_its_time_limit_goes_on_in_the_next(cluster, project):
    """SLURM counts in minutes: each job has one, and part of it goes by before training begins.

    Nothing is saved but on the signal that announces the end.
    """
    short = ["--set-resources", "grpo:runtime=1", "--retries", "9"]
    longer = [
        "checkpoint_seconds=100000",
        SMALL[1],
        "rl={steps: 450, scored_steps: []}",
        *SMALL[3:],
    ]
    whole = Project(copy_project(project.folder.parent / "whole"))
    processes = {
        project: start(project, MODELS[:1], longer, *PROFILE, *short),
        whole: start(whole, MODELS[:1], longer, "--cores", "1"),
    }
    for each, process in processes.items():
        end(process, each)
    assert "slurm: rule_grpo F-s0-rl6-9 as job" in said(project)
    assert "came to its time limit" in said(project)
    assert resumed_at(project, RUNS[0])
    records = [json.loads((each.folder / MODELS[0]).read_text()) for each in processes]
    assert records[0]["files"] == records[1]["files"]


def test_cancelled_requeued_lost_and_orphaned_jobs_end_with_the_same_weights(
    cluster, alone, project
):
    process = start(project, MODELS, SMALL, *PROFILE)
    cluster.ask("scancel", wait_for_checkpoint(cluster, project, RUNS[0]))
    cluster.ask("scontrol", "requeue", wait_for_checkpoint(cluster, project, RUNS[1]))

    job = wait_for_checkpoint(cluster, project, RUNS[0])
    cluster.stop_controller()
    time.sleep(5)
    cluster.start_controller()

    node = cluster.jobs(f"-j{job}", format="%N")[0]
    cluster.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    time.sleep(2)
    cluster.ask("scontrol", "update", f"nodename={node}", "state=resume")

    wait_for_checkpoint(cluster, project, RUNS[1])
    process.send_signal(signal.SIGKILL)
    process.wait()
    refused = project.run(*arguments(MODELS, SMALL, *PROFILE))
    assert refused.returncode == 1
    assert "are in SLURM's queue" in refused.stderr
    assert "make resume TIER=smoke" in refused.stderr

    settle = [sys.executable, "-m", "workflow_scripts.cluster", "--tier", "smoke"]
    waited = project.run(*settle)
    assert waited.returncode == 0, waited.stderr
    assert "waiting for" in waited.stderr
    assert project.run(*arguments(MODELS, SMALL, "--unlock")).returncode == 0
    end(start(project, MODELS, SMALL, *PROFILE), project)
    assert weights(project) == weights(alone)
    assert resumed_at(project, RUNS[0])
    assert resumed_at(project, RUNS[1])
    logs = [(project.folder / f"results/smoke/logs/rl/{run}.log").read_text() for run in RUNS]
    assert any("was finished before" in log for log in logs), "the orphans' work was kept"


def test_a_job_without_memory_is_reported_and_tried_again_with_more(cluster, project):
    target = ["results/smoke/sft/F-s0/run.json"]
    scarce = ["--set-resources", "sft:mem_mb=300 * attempt * attempt"]
    process = start(project, target, SMALL, *PROFILE, *scarce)
    end(process, project)
    assert "slurm: rule_sft F-s0 as job" in said(project)
    assert "asked for too little memory" in said(project)


def test_resume_cancels_where_that_is_asked(cluster, project):
    rarely = ["checkpoint_seconds=100000", *SMALL[1:]]
    process = start(project, MODELS, rarely, *PROFILE)
    training = lambda: list(project.folder.glob(f"results/smoke/rl/{RUNS[0]}/scratch/*"))  # noqa: E731
    cluster.wait_until(training, seconds=180)
    time.sleep(3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    settle = [sys.executable, "-m", "workflow_scripts.cluster", "--tier", "smoke", "--cancel"]
    assert project.run(*settle).returncode == 0
    assert not cluster.jobs(format="%i")
    saved = project.folder.glob(f"results/smoke/rl/{RUNS[0]}/scratch/*/step-*")
    assert list(saved), "it saved its state when it was told to end"


def test_short_rollouts_share_a_job(cluster, project):
    """And ask for no more cores than a node of this cluster has."""
    samples = [
        f"results/smoke/rollouts/{run}/{name}.parquet"
        for run in ("F-s0", "FB-s0")
        for name in ("steps", "pass_at_k")
    ]
    process = start(project, samples, ["jobs={gpus: 0}"], *PROFILE)
    end(process, project)
    assert said(project).count("has been submitted") == 3, "two of SFT, one of rollouts"


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
