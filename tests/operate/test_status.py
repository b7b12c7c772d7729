"""`make status` and the view of `make study`, on a study of stand-ins."""

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from io import StringIO
from pathlib import Path

import pyte
import pytest
from rich.console import Console

from tests.operate import stand_in
from tests.operate.conftest import CONFIG, TARGETS
from workflow_scripts.common.files import write_text
from workflow_scripts.common.lock import lock_folder
from workflow_scripts.operate.failures import Failure, write_failure
from workflow_scripts.operate.status import show_status

pytestmark = pytest.mark.slow

CHANGE = "rl={learning_rate: 0.5}"
FIGURE, TABLE = "results/smoke/figures/routing.png", "results/smoke/tables/table1.md"
COLUMNS, ROWS = 80, 50


def status(toy, *changes: str) -> str:
    console = Console(file=StringIO(), highlight=False)
    show_status(toy.plan(*changes), TARGETS, console)
    return console.file.getvalue()


def times() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted(Path().rglob("*"))}


def test_status_says_of_every_product_what_it_is_and_writes_nothing(toy):
    before = times()
    told = status(toy)
    assert "jobs are done" in told
    assert "stale" not in told
    assert f"ready    fig_routing  {' ' * 8}" in told
    assert FIGURE in told
    assert TABLE in told
    assert "results/smoke/claims.md" in told

    told = status(toy, CHANGE)
    assert "nothing runs: make study TIER=smoke goes on" in told
    assert " ready " not in told
    assert "stale    table1 " in told
    assert "changed: rl.learning_rate: 0.0001 -> 0.5; " in told
    assert "jobs to run" in told
    assert times() == before

    Path(FIGURE).unlink()
    told = status(toy)
    assert "products: 13 ready, 1 missing" in told
    assert "missing  fig_routing" in told
    assert "1 job to run, " in told


def test_status_says_what_runs_how_far_it_is_and_what_failed(toy):
    for name in ("rl/FB-s0-rl6-9", "rl/F-s0-rl6-9"):
        Path(f"results/smoke/receipts/{name}.json").unlink()
    lock = lock_folder(Path("results/smoke"))
    log = Path("results/smoke/logs/rl/FB-s0-rl6-9.log")
    write_text(log, "FB-s0-rl6-9  3/6 steps  2 steps/s  0:00:01 left  reward 0.25  kl 0\n")
    plan = Path.cwd() / "results/smoke/plan/rl/FB-s0-rl6-9.json"
    command = ["-c", "input()", "workflow_scripts.operate.job", str(plan.relative_to(Path.cwd()))]
    job = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE)
    write_failure(Path("results/smoke"), "rl/F-s0-rl6-9", Failure("no space left", True))
    try:
        told = status(toy)
    finally:
        job.communicate(b"\n")
        lock.close()
    assert f"process {os.getpid()} on " in told
    assert "rl/FB-s0-rl6-9  3/6 steps  2 steps/s  reward 0.25\n" in told
    assert "failed: 1; waiting for them: " in told
    assert "rl/F-s0-rl6-9: no space left\n" in told
    assert "log: results/smoke/logs/rl/F-s0-rl6-9.log" in told


def run_in_terminal(folder: Path) -> tuple[list[str], str]:
    """What stays on a terminal after the command of `make study`, and all that was written."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    config = ["--configfile", "config/smoke.yaml", "--config", CONFIG]
    command = [sys.executable, "-m", "snakemake", *TARGETS, "--cores", "2", "--logger", "study"]
    process = subprocess.Popen(
        [*command, *config],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": "", "TERM": "xterm", "STUDY_COMMAND": "make study"},
    )
    os.close(theirs)
    screen, written = pyte.Screen(COLUMNS, ROWS), b""
    stream = pyte.ByteStream(screen)
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the terminal is closed
            break
        if not part:
            break
        written += part
        stream.feed(part)
    os.close(ours)
    assert process.wait() == 1
    return [line.rstrip() for line in screen.display if line.strip()], written.decode()


def test_a_terminal_stays_calm_and_names_products_failures_logs_and_what_to_do(toy):
    shutil.rmtree("results/smoke/run-cache")
    Path(FIGURE).unlink()
    Path(TABLE).unlink()
    stand_in.make_trouble("figures/routing", "bug")
    lines, written = run_in_terminal(toy.folder)
    assert len(lines) <= 10, lines
    assert f"ready   {TABLE}" in lines
    assert any(line.startswith("error: not finished: failed jobs: 1") for line in lines)
    last = " ".join(lines[lines.index(f"ready   {TABLE}") :])
    assert "figures/routing: ZeroDivisionError: a fault of the code; log: " in last
    assert "results/smoke/logs/figures/routing.log" in last.replace(" ", "")
    assert lines[-1] == "Go on with: make study"
    assert "of the work done, about " in written
    assert "Traceback" not in written
    assert toy.study().returncode == 0


def test_a_view_that_fails_changes_nothing_but_the_view(toy):
    """Without a terminal: single lines, and none of snakemake's."""
    Path(FIGURE).unlink()
    calm = toy.study(options=["--logger", "study"])
    assert calm.returncode == 0, calm.stderr[-2000:]
    assert f"ready   {FIGURE}" in calm.stderr
    assert len(calm.stderr.splitlines()) <= 6, calm.stderr
    assert "Done: " in calm.stdout
    before = toy.products()
    Path(FIGURE).unlink()
    toy.change("workflow_scripts/operate/run_state.py", "def look(self)", "def overlook(self)")
    broken = toy.study(options=["--logger", "study"])
    assert broken.returncode == 0, broken.stderr[-2000:]
    assert "the view has ended (AttributeError: " in broken.stderr
    assert "the study goes on" in broken.stderr
    assert toy.products() == before
