"""One process at a time, and clear words for the second."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workflow_scripts.files import StudyError
from workflow_scripts.lock import explain_leftover, lock_folder, only_reads


def test_the_second_is_refused_and_told_by_whom(tmp_path):
    first = lock_folder(tmp_path / "results")
    with pytest.raises(StudyError, match=f"results is in use by process {os.getpid()} on "):
        lock_folder(tmp_path / "results")
    first.close()
    lock_folder(tmp_path / "results").close()


def test_a_killed_process_leaves_no_lock(tmp_path):
    code = "import os, signal, sys; from pathlib import Path\n"
    code += "from workflow_scripts.lock import lock_folder\n"
    code += "kept = lock_folder(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -9
    lock_folder(tmp_path).close()


@pytest.mark.parametrize("options", ["-n", "--dry-run", "-np", "-qn", "-l", "--summary"])
def test_what_only_reads_needs_no_lock(options):
    assert only_reads(["table1", options])


@pytest.mark.parametrize("options", ["-call", "-j2", "--notemp", "--unlock", "-F", "-p"])
def test_what_starts_jobs_does(options):
    assert not only_reads(["main", options])


def test_a_lock_left_on_this_tier_is_explained_with_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    locks = tmp_path / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/laptop/rl/FB-s0/run.json\n")
    explain_leftover(("results/lap", "data/lap"), ["main"])
    with pytest.raises(StudyError) as error:
        explain_leftover(("results/laptop", "data/laptop"), ["main", "--config", "seeds=[0, 1]"])
    program = os.path.relpath(Path(sys.executable).with_name("snakemake"))
    command = f"{program} main --config 'seeds=[0, 1]'"
    assert f"Go on with: {command} --unlock && {command}" in str(error.value)
