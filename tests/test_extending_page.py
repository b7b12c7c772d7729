"""docs/extending.md is followed to the letter, in a copy of the project."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project, copy_project

PAGE = (ROOT / "docs/extending.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
FILE = re.compile(r"`([\w./]+)`:\n\n```(?:python|yaml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DIFF = re.compile(r"^```diff\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MOST_LINES = 60


def added(section: str) -> int:
    """The number of lines that a reader types."""
    diffs = "".join(DIFF.findall(section)).splitlines()
    of_diffs = sum(line.startswith("+") and not line.startswith("+++") for line in diffs)
    return of_diffs + sum(text.count("\n") for _, text in FILE.findall(section))


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Project:
    """A copy of the project with everything of the page added, in its order."""
    folder = copy_project(tmp_path_factory.mktemp("extended") / "project")
    for section in SECTIONS.values():
        for name, text in FILE.findall(section):
            assert not (folder / name).exists()
            (folder / name).write_text(text)
        for diff in DIFF.findall(section):
            command = ["git", "apply", "-"]
            done = subprocess.run(command, cwd=folder, input=diff, text=True, capture_output=True)
            assert done.returncode == 0, f"{diff}\n{done.stderr}"
    return Project(folder)


def run(project: Project, section: str) -> str:
    """Run the command of a section. Returns all that it prints."""
    (command,) = COMMAND.findall(SECTIONS[section])
    bin_folder = Path(sys.executable).parent
    done = project.run("sh", "-ec", f"PATH={bin_folder}:$PATH\n{command}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", SECTIONS)
def test_each_takes_fewer_than_60_lines(name):
    assert added(SECTIONS[name]) < MOST_LINES


def test_there_is_something_to_type_in_each_section_but_the_last():
    *sections, last = SECTIONS.values()
    assert len(sections) == 5
    assert all(map(added, sections))
    assert not added(last)


def test_a_response_by_the_new_strategy_is_labelled_by_its_name(extended):
    (example,) = re.findall(r"^Try it:\n\n```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    done = extended.run(sys.executable, "-c", example)
    assert done.returncode == 0, done.stderr
    assert "direction='cancel', mode='direct', fits=True" in done.stdout
    assert "mistake='none'" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines() if re.match("x.* = .* = ", line)]
    assert len(lines) == 3
    assert {line[3] for line in lines} <= {"+", "*"}


def test_the_old_strategies_are_labelled_as_before(extended):
    """Their responses never show the new one, even where a step of it is a step of theirs."""
    code = (
        "from random import Random\n"
        "from workflow_scripts.task.label import label\n"
        "from workflow_scripts.task.problems import PROBLEM_TYPES, draw_problem\n"
        "from workflow_scripts.task.solutions import STRATEGIES, write_solution\n"
        "from workflow_scripts.task.text import COMPACT, NATURAL\n"
        "rng, right = Random(0), 0\n"
        "for i in range(600):\n"
        "    problem = draw_problem(rng, 5, rng.choice(PROBLEM_TYPES), rng.randrange(2, 6), 18)\n"
        "    name = [*STRATEGIES][i % 3]\n"
        "    text = write_solution([COMPACT, NATURAL][i % 2], problem, name, rng, 120)\n"
        "    told = label(problem, text, True)\n"
        "    right += told.direction == name\n"
        "    right += told.fits == (STRATEGIES[name].fits == problem.type)\n"
        "print(right)\n"
    )
    done = extended.run(sys.executable, "-c", code)
    assert done.stdout.split() == ["1200"], done.stderr


@pytest.mark.slow
def test_the_new_experiment_is_planned(extended):
    planned = run(extended, "An experiment")
    assert re.search(r"^sft +1$", planned, re.MULTILINE)
    assert re.search(r"^grpo +1$", planned, re.MULTILINE)
    assert re.search(r"^table +1$", planned, re.MULTILINE)


@pytest.mark.slow
def test_the_plan_of_a_new_field_tells_its_base_models_and_their_cost(extended):
    planned = run(extended, "A field")
    assert re.search(r"^base_model +1$", planned, re.MULTILINE)
    (line,) = [line for line in planned.splitlines() if line.startswith("No base model")]
    assert re.search(r"gf7.* in results/gf7/base; each takes 4000 steps, about \d+\.\d min", line)


@pytest.mark.slow
def test_all_of_it_runs(extended):
    run(extended, "All of it at once")
    results = extended.folder / "results/smoke"
    assert (results / "base/gf7/model/manifest.json").is_file()
    assert (results / "figures/two_ways.png").stat().st_size > 10_000
    table = (results / "tables/two_ways.csv").read_text()
    assert "SFT,cancel," in table
    assert "RL(6-9),cancel," in table
    (log,) = results.glob("rl/*/log.csv")
    assert len(log.read_text().splitlines()) == 1 + 3
