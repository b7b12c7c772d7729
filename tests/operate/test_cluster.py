"""What the cluster profile knows without a cluster; test_slurm.py has the rest."""

import pytest

from workflow_scripts.common.errors import StudyError
from workflow_scripts.cost.needs import measured_needs
from workflow_scripts.operate import cluster, probe
from workflow_scripts.operate.cluster import read_site, status_command, tell_endings
from workflow_scripts.operate.command_line import read_command_line

PLANS = {
    "laptop": ([], ("laptop", 0)),
    "a tier": (["--configfile", "config/paper.yaml"], ("paper", 1)),
    "a name of its own": (["all", "--config", "tier=mine", "seeds=[1]"], ("mine", 0)),
    "other GPUs": (
        ["--configfile", "config/smoke.yaml", "--config", "jobs={gpus: 2}", "--jobs", "3"],
        ("smoke", 2),
    ),
}


@pytest.mark.parametrize(("arguments", "plan"), PLANS.values(), ids=PLANS)
def test_the_command_line_tells_the_tier_and_its_gpus(arguments, plan, monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)
    monkeypatch.setattr("sys.argv", ["snakemake", *arguments])
    config = read_command_line().config
    assert (config["tier"], int(config["jobs"]["gpus"])) == plan


def test_a_site_is_read_from_its_file_and_the_environment(tmp_path, monkeypatch):
    site = tmp_path / "site.yaml"
    site.write_text("account: lab\ngpu_partition: a100\nqos: null\n")
    monkeypatch.setenv("STUDY_GPU_PARTITION", "h100")
    assert read_site(site) == {
        "account": "lab",
        "cpu_partition": None,
        "gpu_partition": "h100",
        "qos": None,
        "constraint": None,
    }


@pytest.mark.parametrize(
    ("line", "told"), [("acount: x", "acount: not one of"), ("account: my account", "one word")]
)
def test_a_site_that_cannot_be_is_one_line(tmp_path, line, told):
    (tmp_path / "site.yaml").write_text(f"{line}\n")
    with pytest.raises(StudyError, match=told):
        read_site(tmp_path / "site.yaml")


def test_a_command_that_is_missing_or_silent_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StudyError, match="no squeue on PATH"):
        cluster.queued_jobs("smoke")


@pytest.mark.parametrize(("age", "warned"), [(60, True), (300, False)])
def test_a_slurm_that_soon_forgets_its_jobs_is_told(tmp_path, monkeypatch, capsys, age, warned):
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f"#!/bin/sh\necho 'MinJobAge               = {age} sec'\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    status_command.cache_clear()
    assert status_command() == "squeue"
    told = capsys.readouterr().err
    assert "no sacct on PATH" in told
    assert ("MinJobAge of slurm.conf is 60 seconds" in told) == warned


def test_a_job_whose_packages_differ_says_so_and_looks_no_further(tmp_path, monkeypatch, capsys):
    def other_versions():
        raise StudyError("torch 1.0 is installed, 2.0 is pinned")

    monkeypatch.setattr(probe, "refuse_other_versions", other_versions)
    report = tmp_path / "probe.json"
    probe.check(tmp_path / "token", 0, "cpu", [tmp_path / "no model"], report)
    monkeypatch.setattr("sys.argv", ["probe", "show", str(report)])
    with pytest.raises(StudyError, match="the cluster is not ready"):
        probe.main()
    told = capsys.readouterr().out
    assert "environment: FAILED: torch 1.0 is installed" in told
    assert "remedy: make install" in told
    assert "model" not in told
    assert not report.exists(), "the next one looks again"


ENDINGS = {
    "error: StepId=1.0 exceeded memory limit (4 > 3), being killed": "asked for too little memory",
    "error: Detected 1 oom-kill event(s) in StepId=7.batch": "was killed for want of memory",
    "error: Detected 1 oom_kill event in StepId=7.batch": "was killed for want of memory",
    "*** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***": "to its time limit",
    "*** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO PREEMPTION ***": "was preempted",
    "*** JOB 7 ON n1 CANCELLED AT 2026-01-01 DUE TO NODE FAILURE ***": "lost its node",
}


@pytest.mark.parametrize(("line", "reason"), ENDINGS.items())
def test_why_slurm_ended_a_job_is_told(tmp_path, capsys, line, reason):
    log = tmp_path / "rule_grpo/F-s0/7.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"slurmstepd: {line}\n")
    tell_endings(tmp_path)
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("slurm: rule_grpo F-s0 as job 7 ")
    assert reason in told


def test_a_job_that_ended_by_itself_is_not_told(tmp_path, capsys):
    (tmp_path / "7.log").write_text("Error in rule sft\n")
    tell_endings(tmp_path)
    assert not capsys.readouterr().err


def test_needs_are_those_of_the_dearest_job_that_was_measured(tmp_path):
    cost = tmp_path / "cost.csv"
    cost.write_text(
        "stage,job,wall_seconds,cpu_seconds,peak_mib\n"
        "rl,a,300,200,900.5\nrl,b,900,800,700\nsft,c,5,4,100\n"
    )
    assert measured_needs(cost, "rl") == {"mem_mb": 1801, "runtime": 60}
    assert measured_needs(cost, "sft") == {"mem_mb": 1000, "runtime": 10}, "never less"
    assert measured_needs(cost, "rollouts") is None
    assert measured_needs(tmp_path / "missing.csv", "rl") is None
