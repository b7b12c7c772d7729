"""Fixtures that run the workflow as a user would: from a fresh copy of the tracked files."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_scripts.common.jobs import Job, plan_text
from workflow_scripts.experiments.registry import EXPERIMENTS
from workflow_scripts.plan.configuration import read_tier
from workflow_scripts.plan.settings import Settings

ROOT = Path(__file__).parents[1]
# What run.json says of a run's speed and memory; two runs that are alike may differ in it.
MEASURED = ("wall_seconds", "peak_memory_mib", "tokens_per_second")
TASK = {
    "field_size": 11,
    "n_variables": 18,
    "field_map": "hidden",
    "text": "compact",
    "response_words": 81,
    "asks": "last",
}
# The experiments beside the main one.
OTHERS = [kind.name for kind in EXPERIMENTS if kind.name != "main"]


def pytest_addoption(parser):
    parser.addoption("--torture", action="store_true", help="100 kills, and all cases of matrices")


def pytest_collection_modifyitems(config, items):
    """Cases of torture only if asked for. Slow files first: none is begun when all else is done.

    SLURM first of all: it waits most of the time, and another process works meanwhile.
    """
    if not config.getoption("--torture"):
        rare = {item for item in items if item.get_closest_marker("torture")}
        config.hook.pytest_deselected(items=[*rare])
        items[:] = [item for item in items if item not in rare]
    order = lambda item: (  # noqa: E731
        item.get_closest_marker("slow") is None,
        item.path.name != "test_slurm.py",
    )
    items.sort(key=order)


def merge(config: dict, changes: dict) -> dict:
    """As Snakemake merges configuration files: sections are merged, anything else replaced."""
    merged = dict(config)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def load_tier(tier: str) -> Settings:
    return read_tier(tier, ROOT / "config")


def only_main(models: str) -> str:
    """A value of --config: RL on 6-9 steps for some models, and no other experiment."""
    others = ", ".join(f"{name}: {{enabled: false}}" for name in OTHERS)
    main = f"main: {{models: [{models}], rl_steps: [{{low: 6, high: 9}}]}}"
    return f"experiments={{{main}, {others}}}"


def copy_project(target: Path) -> Path:
    """Copy what git tracks, or would track: a clone of the working tree as it is."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        source = ROOT / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    return target


def run_stage(
    program: str, arguments: dict, folder: Path, **environment: str
) -> subprocess.CompletedProcess:
    """Run a stage alone, by a plan file in a folder."""
    plan = folder / "stage.json"
    arguments = json.loads(json.dumps(arguments, default=str))
    plan.write_text(plan_text(Job("stage", program, arguments, {}, {})))
    module = f"workflow_scripts.{program.partition(':')[0]}"
    command = [sys.executable, "-m", module, str(plan)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


class Project:
    """A copy of the project to run commands in."""

    def __init__(self, folder: Path):
        self.folder = folder

    def run(self, *command: str, timeout: int = 900) -> subprocess.CompletedProcess:
        environment = {
            **os.environ,
            "PYTHONPATH": "",
            "XDG_CACHE_HOME": str(self.folder / ".cache"),
        }
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def snakemake(self, *arguments: str, tier: str = "smoke", timeout: int = 900):
        config = ["--configfile", f"config/{tier}.yaml"]
        return self.run(sys.executable, "-m", "snakemake", *arguments, *config, timeout=timeout)

    def python(self, module: str, *arguments: str):
        return self.run(sys.executable, "-m", f"workflow_scripts.{module}", *arguments)


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory) -> Path:
    """Folder of a stand-in for Qwen2.5-1.5B-Instruct with random weights."""
    from tests.standin import make_standin  # torch, which few tests need

    return make_standin(tmp_path_factory.mktemp("chat") / "model", steps=0)


@pytest.fixture
def project(tmp_path) -> Project:
    """A fresh copy in which nothing has run."""
    return Project(copy_project(tmp_path / "project"))


def made_once(
    name: str, make: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder, made once. Where pytest-xdist runs tests side by side, each process has a copy.

    The process that needs it first makes it, and the others wait.
    """
    folder = tmp_path_factory.mktemp(name) / "project"
    if "PYTEST_XDIST_WORKER" not in os.environ:
        make(folder)
        return folder
    shared = tmp_path_factory.getbasetemp().parent / name
    with Path(f"{shared}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            make(folder)
            folder.rename(shared)
    subprocess.run(["cp", "-a", shared, folder], check=True)  # with its hard links
    return folder


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Project:
    """A copy in which the whole smoke tier has run once. Tests must leave it as it is."""

    def run(folder: Path) -> None:
        made = Project(copy_project(folder))
        result = made.snakemake("all", "--cores", "2", timeout=1500)
        assert result.returncode == 0, result.stderr[-4000:]

    return Project(made_once("smoke", run, tmp_path_factory))
