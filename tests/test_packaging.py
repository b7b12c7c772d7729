"""`pip install .` gives the task library; the pins of the study and of the tools stand apart."""

import re
import subprocess
import sys
import tomllib

import pytest

from tests.conftest import ROOT, copy_project

USE = """
from random import Random

from workflow_scripts.task.label import label
from workflow_scripts.task.problems import INVERSION, draw_problem
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.task.solutions import write_solution
from workflow_scripts.task.text import COMPACT

problem = draw_problem(Random(0), 11, INVERSION, 3, 18)
response = write_solution(COMPACT, problem, "backward", Random(0), 81)
print(label(problem, response, True).direction, outcome_reward(problem, response, True))
"""


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.mark.slow
def test_the_installed_library_needs_no_other_package(tmp_path):
    project, library = copy_project(tmp_path / "project"), tmp_path / "library"
    install = ["install", "--quiet", "--no-build-isolation", "--no-deps", "--target", library]
    pip = [sys.executable, "-m", "pip", *install, project]
    subprocess.run(pip, check=True, capture_output=True)
    code = f"import sys; sys.path.insert(0, {str(library)!r})\n{USE}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["backward", "1.0"], done.stderr
    assert not (library / "workflow_scripts/train").exists()


def test_every_package_of_the_study_is_pinned_and_no_tool_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == []
    study, tools = pins("requirements.txt"), pins("requirements-dev.txt")
    assert set(project["optional-dependencies"]["study"]) <= set(study)
    assert not set(study) & set(tools)
    assert {"ruff", "mypy", "pytest", "moto"} <= set(tools)


def test_python_is_the_version_that_is_asked_for_everywhere():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    (version,) = re.findall(r"3\.\d+", wanted)
    assert f"python={version}" in (ROOT / "environment.yml").read_text()
    assert f"Python {version} or newer" in (ROOT / "README.md").read_text()
