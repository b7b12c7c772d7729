"""What runs again after a change, to the file: neither more nor less."""

import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Project

# Regular expressions of outputs below results/smoke.
REPORT = r"(metrics|tables|figures)/|claims\."
SHOWN = rf"scores/|{REPORT}"
NOTHING = "(?!)"
EVERYTHING = ""
# What RL leaves behind, of every run but those that another word tells apart.
RL = r"(rl|rollouts|labels)/.*-rl"
COLLECTED = r"(scores|training|provenance)/"
MAIN_RL = r"(rl|rollouts|labels)/(F|B|FB)-s0-rl(2-5|6-9)/"


def of(*experiments: str) -> str:
    """All that is collected and reported of some experiments, and the claims."""
    names = "|".join(experiments)
    return rf"(scores|training|provenance|sft_validation|metrics)/({names})[./]|claims\."


@pytest.fixture(scope="module")
def done(smoke, tmp_path_factory) -> Project:
    """A copy of the finished smoke tier, to be changed."""
    folder = tmp_path_factory.mktemp("done") / "project"
    shutil.copytree(smoke.folder, folder, symlinks=True)
    return Project(folder)


def pending(project: Project, *config: str) -> set[str]:
    """The outputs that snakemake would make again."""
    arguments = ["--config", *config] if config else []
    result = project.snakemake("all", "--summary", *arguments)
    assert result.returncode == 0, result.stderr[-2000:]
    rows = (line.split("\t") for line in result.stdout.splitlines()[1:])
    return {row[0] for row in rows if row[5] == "update pending"}


def outputs(project: Project) -> set[str]:
    result = project.snakemake("all", "--summary")
    return {line.split("\t")[0] for line in result.stdout.splitlines()[1:]}


@contextmanager
def edited(path: Path, old: str, new: str):
    """Replace text in a file for a while. Time stamps are not put back: they must not count."""
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))
    try:
        yield
    finally:
        path.write_text(source)


def check(project: Project, expected: str, *config: str) -> None:
    everything, again = outputs(project), pending(project, *config)
    pattern = re.compile(rf"results/smoke/({expected})") if expected else re.compile("")
    wanted = {path for path in everything if pattern.match(path)}
    assert again & everything == wanted, (
        f"not again: {sorted(wanted - again)[:5]}; too much: {sorted(again - wanted)[:5]}"
    )


CONFIGURATION = {
    "how often a run is saved": ("checkpoint_seconds=5", NOTHING),
    "confidence": ("statistics={confidence: 0.9}", REPORT),
}


@pytest.mark.parametrize(("config", "expected"), CONFIGURATION.values(), ids=CONFIGURATION)
def test_a_changed_key_reruns_what_depends_on_it(done, config, expected):
    check(done, expected, config)
