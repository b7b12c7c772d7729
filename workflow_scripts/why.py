"""Say in one line per job why snakemake would run it.

    python -m workflow_scripts.why TARGET ... --configfile config/laptop.yaml

Takes snakemake's own arguments and reads the reasons that its dry run prints.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

from workflow_scripts.files import StudyError, run_stage

_JOB = re.compile(r"^Job \d+: (?P<job>.*)\n(?P<reason>Reason: .*)", re.MULTILINE)
_CHANGED_PARAMS = re.compile(r"before: (?P<before>.*?) now: (?P<now>.*?) ?$")
_NOT_SHOWN = "<nothing>"


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    """The leaves of nested dictionaries by dotted keys."""
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in _flat(inner, f"{prefix}.{name}" if prefix else name).items()
    }


def _parameters(text: str) -> dict[str, object]:
    """Parameters as snakemake prints them: 'JSON' or 'text', one after the other."""
    known: dict[str, object] = {}
    for index, value in enumerate(re.findall(r"'(.*?)'(?=,|$)", text.strip())):
        try:
            decoded = json.loads(value)
        except ValueError:
            decoded = value
        known |= _flat(decoded) if isinstance(decoded, dict) else {f"parameter {index}": decoded}
    return known


def _changes(before: str, now: str) -> Iterator[str]:
    old, new = _parameters(before), _parameters(now)
    for key in dict.fromkeys([*old, *new]):
        one, other = old.get(key, _NOT_SHOWN), new.get(key, _NOT_SHOWN)
        if one != other:
            yield "its code" if key == "code" else f"{key}: {one} -> {other}"


def _files(text: str) -> str:
    first, *others = sorted(text.split(", "))
    return f"{first} and {len(others)} more" if others else first


def _shorten_one(reason: str) -> str:
    kind, _, details = reason.partition(":")
    details = details.strip()
    match kind:
        case "Missing output files":
            return f"not made yet: {_files(details)}"
        case "Incomplete output files":
            return f"was interrupted: {_files(details)}"
        case "Input files updated by another job":
            return f"will be made again before it: {_files(details)}"
        case "Updated input files":
            return f"changed: {_files(details)}"
    if kind.startswith("Params have changed") and (match := _CHANGED_PARAMS.search(details)):
        return "changed: " + "; ".join(_changes(match["before"], match["now"]))
    return reason


def shorten(reason: str) -> str:
    """What snakemake gives as the reasons of a job, the first of them in a short line."""
    first, *_ = re.split(r"; (?=[A-Z][a-z ]+(?::|$))", reason.removeprefix("Reason: "))
    return _shorten_one(first)


def main() -> None:
    command = [sys.executable, "-m", "snakemake", *sys.argv[1:], "--dry-run"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        told = [line for line in run.stderr.splitlines() if "rror" in line]
        raise StudyError(" ".join(told).removeprefix("error: ") or run.stderr)
    jobs = list(_JOB.finditer(run.stdout + run.stderr))
    for match in jobs:
        print(f"{match['job']}  <-  {shorten(match['reason'])}")
    print(f"{len(jobs)} jobs" if jobs else "nothing to be done")


if __name__ == "__main__":
    run_stage(main)
