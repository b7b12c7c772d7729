"""The examples of docs/library.md are run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from workflow_scripts.task import library

PAGE = (ROOT / "docs/library.md").read_text()
EXAMPLES = re.findall(r"^```(python|sh)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
WITH_A_MODEL = [code for _, code in EXAMPLES if "trl" in code or "score_model" in code]


def run(folder: Path, language: str, code: str) -> str:
    """Run an example in a folder. Returns what it prints."""
    bin_folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HF_HOME": str(folder / "cache"),
    }
    command = [sys.executable, "-c", code] if language == "python" else ["sh", "-ec", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{code}\n{done.stderr[-3000:]}"
    assert "Ignoring part of dataset_info" not in done.stderr  # of a card that datasets misreads
    return done.stdout


@pytest.fixture(scope="module")
def used(tmp_path_factory) -> tuple[Path, str]:
    """The folder in which the examples that load no model were run, and what they printed."""
    folder = tmp_path_factory.mktemp("library")
    light = [(language, code) for language, code in EXAMPLES if code not in WITH_A_MODEL]
    return folder, "".join(run(folder, language, code) for language, code in light)


def test_an_example_has_at_most_ten_lines():
    assert len(EXAMPLES) == 10
    assert max(code.count("\n") for _, code in EXAMPLES) <= 10


def test_the_examples_print_what_the_page_says(used):
    folder, printed = used
    assert "reward 1.0" in printed
    assert "direction='backward', mode='direct', fits=True" in printed
    assert "num_rows: 40" in printed
    assert "[1.0, 0.0]" in printed
    assert "responses: 24 problems, 1 samples each, 100.0% complete" in printed
    written = {path.name for path in (folder / "scores").iterdir()}
    assert written == {"scores.md", "estimates.csv", "labels.csv"}


@pytest.mark.slow
def test_the_examples_with_a_model_run(used, chat_model):
    folder, _ = used
    (folder / "model").symlink_to(chat_model)
    assert len(WITH_A_MODEL) == 2
    for language, code in EXAMPLES:
        if code in WITH_A_MODEL:
            printed = run(folder, language, code)
    assert "# Scores of model" in printed
    assert (folder / "model-scores/responses.jsonl").read_text().count("\n") == 48


def test_the_library_names_all_that_it_offers():
    assert set(library.__all__) == {name for name in vars(library) if not name.startswith("_")}
