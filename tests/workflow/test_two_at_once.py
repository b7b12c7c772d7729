"""A second snakemake on the same results stops at once; a killed one leaves no lock."""

import json
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = pytest.mark.slow

CONFIG = ["--configfile", "config/smoke.yaml", "--config", "base={steps: 200, warmup_steps: 5}"]
ARGUMENTS = ["results/smoke/base/gf13/run.json", "--cores", "1", *CONFIG]
SNAKEMAKE = [sys.executable, "-m", "snakemake"]


def start_and_pause(project) -> tuple[subprocess.Popen, psutil.Process]:
    """A snakemake, and its training job, which stands still once it has begun."""
    process = subprocess.Popen(
        [*SNAKEMAKE, *ARGUMENTS],
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not any(project.folder.glob("results/smoke/base/*/scratch/*/identity.json")):
        assert process.poll() is None
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    (job,) = (p for p in family if p.cmdline()[1:3] == ["-m", "workflow_scripts.operate.job"])
    job.suspend()
    return process, job


def test_two_at_once_and_the_way_on_after_a_crash(project):
    process, job = start_and_pause(project)
    try:
        second = project.run(*SNAKEMAKE, *ARGUMENTS)
        assert second.returncode == 1
        told = second.stderr.splitlines()[-1]
        assert told.startswith(f"error: results/smoke is in use by process {process.pid} on ")
        assert project.run(*SNAKEMAKE, *ARGUMENTS, "--dry-run").returncode == 0

        process.kill()
        process.wait()
        # The job of the killed snakemake is still there.
        orphaned = project.run(*SNAKEMAKE, *ARGUMENTS)
        assert orphaned.returncode == 1
        assert f"process {job.pid} (base/gf13)" in orphaned.stderr
        assert f"or stop them: kill {job.pid}" in orphaned.stderr.splitlines()[-1]
        job.kill()
        job.wait()
    finally:
        process.kill()
        if job.is_running():
            job.kill()
    assert project.run(*SNAKEMAKE, *ARGUMENTS).returncode == 0, "the same command goes on"
    assert (project.folder / "results/smoke/base/gf13/run.json").is_file()


def test_a_check_of_the_cluster_never_shows_an_old_report(project):
    report = project.folder / "results/smoke/cluster/probe.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"node": "elsewhere", "job": "7", "checks": []}))
    checked = project.snakemake("cluster_check", "--cores", "1")
    assert checked.returncode == 0, checked.stderr
    assert "here: environment: ok" in checked.stdout
    assert "elsewhere" not in checked.stdout
