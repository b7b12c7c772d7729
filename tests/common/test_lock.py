"""One process at a time, and clear words for the second."""

import os
import subprocess
import sys

import pytest

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.lock import lock_folder


def test_the_second_is_refused_and_told_by_whom(tmp_path):
    first = lock_folder(tmp_path / "results")
    with pytest.raises(StudyError, match=f"results is in use by process {os.getpid()} on "):
        lock_folder(tmp_path / "results")
    first.close()
    lock_folder(tmp_path / "results").close()


def test_a_killed_process_leaves_no_lock(tmp_path):
    code = "import os, signal, sys; from pathlib import Path\n"
    code += "from workflow_scripts.common.lock import lock_folder\n"
    code += "kept = lock_folder(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -9
    lock_folder(tmp_path).close()


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match=r"results cannot be written to .*: make it writable"):
        lock_folder(tmp_path / "file/results")
