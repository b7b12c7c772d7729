"""A small study of stand-ins: the project's own plan and workflow, with stages of milliseconds."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.conftest import Project, copy_project, made_once, only_main
from tests.operate import stand_in
from workflow_scripts.common import jobs, provenance
from workflow_scripts.operate import receipts
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.job import run_job
from workflow_scripts.operate.session import Session
from workflow_scripts.plan.configuration import read_configuration
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.study import Study

CONFIG = only_main("F, FB")
TARGETS = ["main", "claims"]


@cache
def plan_of(changes: tuple[str, ...]) -> Plan:
    return Plan(Study(read_configuration([Path("config/smoke.yaml")], [CONFIG, *changes])))


class Toy(Project):
    """The small study in a folder, run by Snakemake or, faster, in this process."""

    is_changed = False

    def plan(self, *changes: str) -> Plan:
        return plan_of(changes)

    def change(self, name: str, old: str, new: str) -> None:
        """Edit a file of the project."""
        path = self.folder / name
        source = path.read_text()
        assert old in source
        path.write_text(source.replace(old, new, 1))
        self.is_changed = True
        provenance.forget_code()

    def forget_code(self) -> None:
        """The hashes of code are kept by a process, for which it never changes."""
        if self.is_changed:
            provenance.forget_code()

    def verdicts(self, *changes: str):
        plan = self.plan(*changes)
        names = receipts.closure(
            [job for target in TARGETS for job in plan.targets[target]],
            receipts.upstream(plan.jobs),
        )
        found = receipts.read_receipts(plan.results, plan.jobs)
        judged = receipts.judge(plan.jobs, found, Contents())
        return {name: judged[name] for name in names}

    def bad(self, *changes: str) -> set[str]:
        return {name for name, verdict in self.verdicts(*changes).items() if not verdict.good}

    def make(self, *changes: str) -> None:
        """What a run of snakemake does, in this process; a job that fails does not stop others."""
        plan = self.plan(*changes)
        session = Session(plan)
        needed = [name for name, v in self.verdicts(*changes).items() if not v.good]
        session.begin(needed, is_local=True, is_touch=False)
        failed = False
        for name in needed:
            if all(Path(file).is_file() for file in plan.jobs[name].input_files):
                try:
                    run_job(plan.jobs[name], plan.results)
                except (Exception, SystemExit):
                    failed = True
                    for file in plan.jobs[name].outputs.values():  # as Snakemake does
                        Path(file).unlink(missing_ok=True)
        if session._lock:
            session._lock.close()
        assert failed == bool(self.bad(*changes))

    def products(self) -> dict[str, bytes]:
        """All that the study made, without what says when and how often."""
        left_out = ("plan", "run-cache", "set-aside", "failed", "receipts", "logs", "benchmarks")
        found = {}
        for folder in (Path("data/smoke"), Path("results/smoke")):
            for path in (p for p in (self.folder / folder).rglob("*") if p.is_file()):
                name = path.relative_to(self.folder)
                if not {*left_out, ".lock", ".hashes.json"} & set(name.parts):
                    found[str(name)] = path.read_bytes()
        return found

    def done(self) -> list[str]:
        """The jobs that were made since this was last asked."""
        path = self.folder / stand_in.DONE
        names = path.read_text().split() if path.is_file() else []
        path.unlink(missing_ok=True)
        return names

    def study(self, *changes: str, options: Sequence[str] = ()) -> CompletedProcess:
        """Run the study by Snakemake."""
        config = ["--configfile", "config/smoke.yaml", "--config", CONFIG, *changes]
        command = [sys.executable, "-m", "snakemake", *TARGETS, "--cores", "2", *options]
        return self.run(*command, *config)


@pytest.fixture
def in_process(monkeypatch):
    """Jobs that run in this process are stand-ins."""
    monkeypatch.setattr(jobs.Job, "run", stand_in.run)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The folder of a finished study of stand-ins, made by Snakemake."""

    def run(folder: Path) -> None:
        toy = Toy(copy_project(folder))
        stand_in.install(folder)
        for unused in ("results/reference", "tests/checkpoints", "docs", "data/base/gf11-asks=any"):
            shutil.rmtree(folder / unused)
        result = toy.study()
        assert result.returncode == 0, result.stderr[-3000:]
        (folder / stand_in.DONE).unlink()

    return made_once("toy", run, tmp_path_factory)


@pytest.fixture
def toy(finished, tmp_path, monkeypatch) -> Toy:
    """A copy of the finished study, to be changed. The current folder is there."""
    folder = tmp_path / "project"
    # With the hard links of the run cache, which shutil.copytree would break.
    subprocess.run(["cp", "-a", finished, folder], check=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(provenance, "PACKAGE", folder / "workflow_scripts")
    made = Toy(folder)
    yield made
    made.forget_code()
