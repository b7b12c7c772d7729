"""Files are whole or not there, whatever an attempt that was killed has left beside them."""

import signal
import subprocess
import sys

from tests.conftest import ROOT
from workflow_scripts.common.files import write_text

KILLED = """
import os, signal, sys
from pathlib import Path
from workflow_scripts.common.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_attempt_removes_what_a_killed_one_left(tmp_path):
    file, other = tmp_path / "page[1].md", tmp_path / "page[1].md.csv"
    for path in (file, other):
        killed = subprocess.run([sys.executable, "-c", KILLED, path], cwd=ROOT, check=False)
        assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    assert not file.exists()

    write_text(file, "whole")
    assert file.read_text() == "whole"
    (left,) = (path.name for path in tmp_path.iterdir() if path != file)
    assert left.startswith(".page[1].md.csv."), "that of another file stays"
