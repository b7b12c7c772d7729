"""Snakemake's command line, checked before Snakemake acts on it.

The profiles call `check`, because Snakemake shows a missing or broken configuration file as a
traceback, before it reads the Snakefile. The Snakefile makes the other checks.
"""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from snakemake.cli import get_argument_parser

from workflow_scripts.common.errors import StudyError
from workflow_scripts.plan.configuration import merge

_DEFAULT = Path("config/default.yaml")


@dataclass(frozen=True)
class CommandLine:
    """Those arguments of snakemake that the study needs.

    files are the values of --configfile; the last one wins. changes are the KEY=VALUE of --config.
    """

    targets: list[str]
    files: list[Path]
    changes: list[str]
    profiles: list[str]
    is_dry_run: bool
    has_hooks: bool

    @property
    def config(self) -> dict:
        """The merged configuration, not validated.

        Raises StudyError if --configfile or --config cannot be read.
        """
        return merge([_DEFAULT, *self.files], self.changes)


@cache
def _parse(arguments: tuple[str, ...]) -> CommandLine:
    named, _ = get_argument_parser().parse_known_args(list(arguments))
    profiles = [profile for profile in (named.workflow_profile, named.profile) if profile]
    files, changes = named.configfile or [], named.config or []
    return CommandLine(
        named.targets, files, changes, profiles, bool(named.dryrun), not named.no_hooks
    )


def read_command_line() -> CommandLine:
    """The arguments of the snakemake that runs in this process."""
    return _parse(tuple(sys.argv[1:]))


def check() -> None:
    """End the process with an error of one line if --configfile or --config cannot be read."""
    try:
        _ = read_command_line().config
    except StudyError as error:
        sys.exit(f"error: {error}")


def refuse_options() -> None:
    """Raise StudyError for --no-hooks, and for a profile that does not exist.

    Without the hooks (onstart, onsuccess, onerror), old files are not moved away and results are
    not checked. Snakemake ignores a missing profile without a message.
    """
    if not read_command_line().has_hooks:
        raise StudyError("--no-hooks: leave it out, the study is checked before and after its jobs")
    for profile in read_command_line().profiles:
        if profile != "none" and "/" in profile and not Path(profile).exists():
            known = ", ".join(sorted(map(str, Path("profiles").glob("*"))))
            raise StudyError(f"{profile}: no such profile; known: {known}")
