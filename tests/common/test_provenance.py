"""The code hash: of what a stage runs, and of nothing else. The commit, by its hash."""

import subprocess

import pytest

from workflow_scripts.common import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package in place of the project's."""
    folder = tmp_path / "project"
    (folder / "train").mkdir(parents=True)
    monkeypatch.setattr(provenance, "PACKAGE", folder)

    def write(**modules: str) -> str:
        provenance.forget_code()
        for name, content in modules.items():
            (folder / f"{name}.py").write_text(content)
        return provenance.code_hash("project.stage")

    yield write
    provenance.forget_code()


STAGE = '"""Doc."""\nfrom project.helper import run\n\n\ndef main():\n    """Doc."""\n    run(1)\n'
HELPER = "from project import deep\n\n\ndef run(x):\n    return deep.f(x)\n"
DEEP = "def f(x):\n    return x + 1\n"


def test_an_edit_of_the_module_or_of_what_it_imports_changes_the_hash(package):
    first = package(stage=STAGE, helper=HELPER, deep=DEEP)
    assert package(stage=STAGE.replace("run(1)", "run(2)")) != first
    assert package(stage=STAGE) == first
    assert package(helper=HELPER.replace("deep.f(x)", "deep.f(x + 1)")) != first
    assert package(helper=HELPER) == first
    assert package(deep=DEEP.replace("+ 1", "+ 2")) != first


def test_comments_docstrings_layout_and_other_modules_do_not_count(package):
    first = package(stage=STAGE, helper=HELPER, deep=DEEP)
    changed = STAGE.replace('"""Doc."""', '"""Another."""').replace("run(1)", "run( 1 )  # why")
    assert package(stage="# a comment\n" + changed, unrelated="x = 1\n") == first


SAYS = """from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.progress import ProgressLine


def main(n):
    progress = ProgressLine("steps", n, "steps")
    for step in range(n):
        progress.show(step)
    print("done")
    if n < 0:
        raise StudyError(f"{n}: a number from 0")
"""
SILENT = """from workflow_scripts.common.errors import StudyError


def main(n):
    for step in range(n):
        pass
    if n < 0:
        raise StudyError("another message")
"""


def test_messages_and_what_is_shown_do_not_count(package):
    assert package(stage=SAYS) == package(stage=SILENT)
    assert package(stage=SAYS) != package(stage=SAYS.replace("n < 0", "n < 1"))
    assert package(stage=SAYS) != package(stage=SAYS.replace("raise StudyError", "raise KeyError"))


def test_a_module_that_is_not_there_is_refused(package):
    package(stage=STAGE, helper=HELPER, deep=DEEP)
    with pytest.raises(ValueError, match=r"project\.nothing"):
        provenance.code_hash("project.nothing")


def test_imports_of_a_package_and_inside_functions_count(package, tmp_path):
    first = package(stage="def main():\n    import project.train\n", helper=HELPER, deep=DEEP)
    (tmp_path / "project/train/__init__.py").write_text("x = 1\n")
    assert package() != first


def test_every_stage_of_the_workflow_has_a_hash_of_its_own():
    stages = ("task.datasets", "train.base", "train.sft", "train.grpo", "evaluate.sample")
    hashes = {provenance.code_hash(f"workflow_scripts.{stage}") for stage in stages}
    assert len(hashes) == len(stages)


def test_the_pins_of_a_stage_are_those_of_what_its_code_imports(package, tmp_path):
    (tmp_path / "requirements.txt").write_text("pandas==3\nPyYAML==6\nscipy==1\n\nmore==2\n")
    package(
        stage=STAGE, helper="import json\nimport yaml\n" + HELPER, deep="import pandas\n" + DEEP
    )
    assert provenance.pinned_packages("project.stage") == {"PyYAML": "6", "pandas": "3"}


def test_pins_tell_training_from_reporting():
    training, tables = "workflow_scripts.train.grpo", "workflow_scripts.report.tables"
    of_training, of_tables = map(provenance.pinned_packages, (training, tables))
    assert {"torch", "trl", "transformers", "peft", "accelerate"} <= set(of_training)
    assert "pandas" in of_tables
    assert "torch" not in of_tables
    assert provenance.package_versions(tables) == of_tables


def test_the_commit_is_a_hash_even_where_a_tag_names_it(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setattr(provenance, "PACKAGE", folder / "package")

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@b")
        command = ["git", "-C", str(folder), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init")
    (folder / "file").write_text("one")
    git("add", "file")
    git("commit", "--message", "first")
    git("tag", "--annotate", "release", "--message", "a tag")
    assert provenance.git_commit() == git("rev-parse", "HEAD")
    (folder / "file").write_text("two")
    assert provenance.git_commit() == git("rev-parse", "HEAD") + "-dirty"
