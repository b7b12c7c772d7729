"""Snakemake that looks at its SLURM jobs every three seconds; the executor looks ever more rarely.

python -m tests.workflow.impatient ...    (as python -m snakemake)
"""

import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda _: 3, lambda *_: None)

if __name__ == "__main__":
    sys.exit(main())
