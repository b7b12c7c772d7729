"""The view of a run: lines from a state, and a state from files."""

import re
import socket
import time
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.conftest import ROOT, load_tier
from workflow_scripts.common.files import write_text
from workflow_scripts.common.jobs import Job
from workflow_scripts.common.lock import LOCK, Holder, find_holder, lock_folder
from workflow_scripts.common.progress import LoggedProgress, ProgressLine, read_progress
from workflow_scripts.cost.remaining import forecast_jobs, measured_pace, seconds_left
from workflow_scripts.operate.failures import Failure, write_failure
from workflow_scripts.operate.receipts import receipt_path
from workflow_scripts.operate.run_state import AtWork, FailedJob, RunPlan, RunState, RunWatch
from workflow_scripts.operate.run_view import (
    describe_run,
    summarize_run,
    tell_duration,
    tell_failure,
)
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.study import Study

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n'
names = st.sampled_from([f"{stage}/{'run' * n}" for stage in ("rl", "odd") for n in range(1, 30)])
texts = st.text(max_size=30) | st.sampled_from(
    [f"ValueError: no\n{TRACEBACK}", "本" * 300, "\x1b[2J"]
)
progress = st.builds(LoggedProgress, st.integers(0, 999), st.integers(1, 999), texts, texts, texts)
states = st.builds(
    RunState,
    st.dictionaries(names, st.booleans(), min_size=1, max_size=4),
    st.lists(st.builds(AtWork, names, st.none() | progress), max_size=9),
    st.lists(st.builds(FailedJob, names, texts, texts), max_size=5),
    st.integers(0, 9),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 1e6),
)


@given(states, texts, st.integers(20, 200))
def test_no_line_is_wider_than_the_terminal_and_none_is_of_a_traceback(state, head, width):
    lines = [line.plain for line in describe_run([head], state, width)]
    assert all(cell_len(line) <= width and line.isprintable() for line in lines)
    assert not any("File " in line for line in lines)
    assert len(lines) <= 1 + 9 + 10 + 10, "it fits a terminal of 30 lines"


def test_a_view_says_how_far_what_runs_what_failed_and_where_its_log_is():
    state = RunState(
        {"sft/F-s0": True, "rl/F-s0-rl6-9": False, "rl/B-s0-rl6-9": False, "claims": False},
        [AtWork("rl/F-s0-rl6-9", LoggedProgress(120, 300, "steps", "0.8 steps/s", "reward 0.41"))],
        [FailedJob("rl/B-s0-rl6-9", "no space left: free some", "results/x/logs/rl/B.log")],
        waiting=1,
        share=0.414,
        left=5000,
    )
    told = "\n".join(line.plain for line in describe_run(["x"], state, 80))
    assert "rl/F-s0-rl6-9  120/300 steps  0.8 steps/s  reward 0.41" in told
    assert "failed: 1; waiting for them: 1" in told
    assert "  rl/B-s0-rl6-9: no space left: free some\n" in told
    assert "log: results/x/logs/rl/B.log" in told
    assert re.search(r"^RL  .* 0/2$", told, re.MULTILINE)
    summary = summarize_run(state)
    assert summary.startswith("41 % of the work done, about 83 min left; SFT 1/1, RL 0/2")
    assert summary.endswith("failed 1")


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.2, "1 s"), (89, "89 s"), (95, "2 min"), (7300, "2 h 02 min")]
)
def test_durations_are_read_at_a_glance(seconds, told):
    assert tell_duration(seconds) == told


def test_progress_is_read_from_what_a_job_wrote(tmp_path, capsys):
    line = ProgressLine("FB-s0-rl6-9", 300, "steps", first=10)
    for done in (11, 300):
        line.show(done, "reward 0.5  kl 0.01")
    log = tmp_path / "job.log"
    write_text(log, "a warning\n" + capsys.readouterr().err + "another\n")
    found = read_progress(log)
    assert (found.done, found.total, found.unit) == (300, 300, "steps")
    assert found.rate.endswith(" steps/s")
    assert found.metrics == "reward 0.5  kl 0.01"
    write_text(log, "no progress\n")
    assert read_progress(log) is None
    assert read_progress(tmp_path / "none.log") is None


def test_the_process_that_runs_a_study_is_known_until_it_ends(tmp_path):
    assert find_holder(tmp_path) is None
    lock_folder(tmp_path).close()
    assert find_holder(tmp_path).pid == psutil.Process().pid
    ended = f"process 1 on {socket.gethostname()} since 2001-01-01 00:00:00"
    write_text(tmp_path / LOCK, ended)
    assert find_holder(tmp_path) is None, "process 1 is younger, so it is another one"
    write_text(tmp_path / LOCK, "process 7 on elsewhere since 2001-01-01 00:00:00")
    assert find_holder(tmp_path) == Holder(7, "elsewhere", datetime(2001, 1, 1))


def test_logs_and_costs_are_where_the_rules_put_them():
    """With every wildcard named as in the plan."""
    plan = Plan(Study(load_tier("smoke")))
    files = [path for path in (ROOT / "rules").glob("*.smk") if path.stem != "cluster"]
    rules = "".join(path.read_text() for path in files)
    pattern = r'log:\s+f"\{RESULTS\}/(.*?)",\s+benchmark:\s+f"\{RESULTS\}/(.*?)".*?run_job\("(.*?)"'
    found = re.findall(pattern, rules.replace("{{", "{").replace("}}", "}"), re.DOTALL)
    assert len(found) >= 20
    for log, benchmark, job in found:
        assert str(plan.log_file(job)) == f"results/smoke/{log}"
        assert str(plan.benchmark_file(job)) == f"results/smoke/{benchmark}"


def test_the_time_that_is_left_is_that_of_the_longest_chain_or_of_all_slots():
    above = {"a": [], "b": ["a"], "c": ["b"], "d": ["done"]}
    left = {"a": 10.0, "b": 20.0, "c": 5.0, "d": 9.0}
    assert seconds_left(left, above, slots=1) == 44
    assert seconds_left(left, above, slots=9) == 35


def test_every_job_of_a_recorded_tier_is_forecast_and_a_slow_machine_is_noticed(
    tmp_path, monkeypatch
):
    plan = Plan(Study(load_tier("smoke")))
    seconds = forecast_jobs(plan, ROOT / "results/reference")
    assert all(seconds[name] > 0 for name, job in plan.jobs.items() if job.outputs)
    assert forecast_jobs(plan, tmp_path) == {}
    monkeypatch.chdir(tmp_path)
    job = max(seconds, key=seconds.get)
    write_text(plan.benchmark_file(job), f"s\th:m:s\n{3 * seconds[job]}\t-\n")
    assert 1 < measured_pace(plan, [job, "figures/routing"], seconds) < 3


class Files:
    """A small run on files: two chains of SFT and RL."""

    def __init__(self, folder: Path):
        job = lambda name, read: Job(name, "", {}, {"read": read}, {"out": f"{name}.out"})  # noqa: E731
        jobs = [job("sft/a", []), job("rl/a", ["sft/a.out"]), job("figures/f", ["rl/a.out"])]
        self.jobs, self.results = {each.name: each for each in jobs}, folder

    def log_file(self, name: str) -> Path:
        return self.results / "logs" / f"{name}.log"

    benchmark_file = log_file


def test_a_run_is_seen_from_its_files_alone(tmp_path):
    plan = Files(tmp_path)
    seconds, since = {"sft/a": 10.0, "rl/a": 30.0, "figures/f": 1.0}, time.time() - 100
    run = RunPlan(plan, list(plan.jobs), list(plan.jobs), since, True, seconds)
    watch = RunWatch(run)
    assert watch.look() == RunState(dict.fromkeys(plan.jobs, False), [], [], 0, 0.0, 41.0)

    write_text(receipt_path(tmp_path, "sft/a"), "{}")
    write_text(plan.log_file("rl/a"), "a  150/300 steps  2 steps/s  0:00:15 left  reward 0.5\n")
    state = watch.look()
    assert state.done == {"sft/a": True, "rl/a": False, "figures/f": False}
    assert [(each.job, each.progress.done) for each in state.at_work] == [("rl/a", 150)]
    assert state.left == pytest.approx(16, rel=0.3)
    assert state.share == pytest.approx(25 / 41)

    write_failure(tmp_path, "rl/a", Failure("no space left", True))
    state = watch.look()
    assert state.failed == [FailedJob("rl/a", "no space left", str(plan.log_file("rl/a")))]
    assert (state.at_work, state.waiting, state.left) == ([], 1, 0.0)
    assert "rl/a: no space left" in tell_failure(state.failed[0])
