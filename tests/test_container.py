"""The container's recipe fits the project. (No image is built here: that needs docker.)"""

import json
import re
from fnmatch import fnmatch
from pathlib import PurePosixPath

import pytest

from tests.conftest import ROOT

RECIPE = (ROOT / "Dockerfile").read_text()
IGNORED = [
    line
    for line in (ROOT / ".dockerignore").read_text().splitlines()
    if line and not line.startswith("#")
]


def is_left_out(name: str) -> bool:
    """Whether .dockerignore leaves a file out: the last pattern that matches it, or a parent."""
    places = [name, *map(str, PurePosixPath(name).parents)]
    left_out = False
    for line in IGNORED:
        pattern = line.removeprefix("!").removeprefix("**/")
        anywhere = "**/" in line
        names = [PurePosixPath(place).name if anywhere else place for place in places]
        if any(fnmatch(each, pattern) and each.count("/") == pattern.count("/") for each in names):
            left_out = not line.startswith("!")
    return left_out


def test_python_is_that_of_the_conda_environment_and_pinned():
    (tag,) = re.findall(r"^FROM python:(\S+)$", RECIPE, re.MULTILINE)
    version, variant = tag.split("-", 1)
    assert re.fullmatch(r"3\.\d+\.\d+", version)
    assert variant.startswith("slim-")
    minor = ".".join(version.split(".")[:2])
    assert f"python={minor}\n" in (ROOT / "environment.yml").read_text()


def test_what_is_copied_is_there():
    sources = re.findall(r"^COPY --chown=\S+ (\S+) \S+$", RECIPE, re.MULTILINE)
    assert sources == ["requirements.txt", "."]
    assert all((ROOT / source).exists() and not is_left_out(source) for source in sources)


def test_it_runs_as_a_user_without_rights_of_root():
    (user,) = re.findall(r"^USER (\S+)$", RECIPE, re.MULTILINE)
    assert user != "root"
    assert f"useradd --create-home {user}" in RECIPE
    (command,) = re.findall(r"^CMD (.*)$", RECIPE, re.MULTILINE)
    assert json.loads(command) == ["make", "demo"]
    assert re.search(r"^demo: install ##", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        (".git/HEAD", True),
        (".venv/bin/python", True),
        ("data/laptop/gf11/dev-steps.jsonl", True),
        ("results/laptop/claims.md", True),
        ("results/smoke/rl/FB-s0/model/model.safetensors", True),
        ("workflow_scripts/task/__pycache__/text.cpython-311.pyc", True),
        ("data/base/gf11/model/model.safetensors", False),
        ("results/reference/laptop/claims.md", False),
        ("workflow_scripts/task/text.py", False),
        ("config/laptop.yaml", False),
        ("Makefile", False),
        (".dvc/config", False),
    ],
)
def test_the_image_has_the_project_and_none_of_its_results(name, left_out):
    assert is_left_out(name) == left_out
