"""A logger plugin of Snakemake: `snakemake --logger study` shows the study in one calm view.

Snakemake finds it by its name in the folder in which `python -m snakemake` is started. What
Snakemake logs stays in .snakemake/log; here only errors and warnings of its own are shown. Jobs
that failed are in the view, and in the report at the end.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

if TYPE_CHECKING:
    from workflow_scripts.operate.live import View

# What Snakemake says of a failed job beside the job's error.
_OF_JOBS = ("Exiting because a job execution failed", "At least one job did not complete")


class LogHandler(LogHandlerBase):
    """Shows the view in place of Snakemake's messages."""

    def __post_init__(self) -> None:
        """Make the view. Snakemake calls this method once, if the plugin was chosen.

        Every snakemake that is started in this folder imports this module, so the view's own
        modules are imported here.
        """
        self.view: View | None = None
        if self.common_settings.dryrun:  # nothing to view; Snakemake itself tells the plan
            return
        try:
            from workflow_scripts.operate.live import make_view

            self.view = make_view()
        except Exception as error:
            print(f"no view ({error}): make status shows the study", file=sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message that is no part of the view."""
        if self.common_settings.dryrun:
            return
        with suppress(Exception):
            text = record.getMessage()
            if text == NOTHING_TO_BE_DONE_MSG or _is_own_fault(record, text):
                print(text, file=sys.stderr)

    def close(self) -> None:
        """Remove the view. Snakemake calls this method at its end."""
        if self.view:
            self.view.end()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """Yes, except in a dry run: Snakemake then writes nothing to the terminal itself."""
        return not self.common_settings.dryrun

    @property
    def writes_to_file(self) -> bool:
        """No."""
        return False

    @property
    def has_filter(self) -> bool:
        """Yes: Snakemake's own filter is not needed."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Yes: Snakemake's own formatter is not needed."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """No."""
        return False


def _is_own_fault(record: logging.LogRecord, text: str) -> bool:
    """Whether a record is a warning or an error, and not about a job that failed."""
    if record.levelno < logging.WARNING or text.startswith(_OF_JOBS):
        return False
    event = getattr(record, "event", None)
    is_of_job = getattr(record, "exception", None) == "RuleException"
    return event in (None, LogEvent.ERROR) and not is_of_job
