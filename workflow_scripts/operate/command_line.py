"""Snakemake's command line, checked before Snakemake acts on it.

The profiles call `check`: a missing or broken configuration file would otherwise end in a
traceback, before any line of the Snakefile is read. What the Snakefile can check, it does.
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
    """What matters here of snakemake's arguments."""

    targets: list[str]
    files: list[Path]
    changes: list[str]
    profiles: list[str]
    is_dry_run: bool
    has_hooks: bool

    @property
    def config(self) -> dict:
        """The merged configuration, not yet validated. Raises StudyError."""
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
    """The arguments of this snakemake."""
    return _parse(tuple(sys.argv[1:]))


def check() -> None:
    """End with one line if a configuration file or a change of it cannot be read."""
    try:
        _ = read_command_line().config
    except StudyError as error:
        sys.exit(f"error: {error}")


def refuse_options() -> None:
    """Raise StudyError for --no-hooks, and for a profile that is not there.

    Without hooks nothing would be set aside or checked; a missing profile, Snakemake passes over.
    """
    if not read_command_line().has_hooks:
        raise StudyError("--no-hooks: leave it out, the study is checked before and after its jobs")
    for profile in read_command_line().profiles:
        if profile != "none" and "/" in profile and not Path(profile).exists():
            known = ", ".join(sorted(map(str, Path("profiles").glob("*"))))
            raise StudyError(f"{profile}: no such profile; known: {known}")
