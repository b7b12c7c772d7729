"""A job of the plan: the function that it calls, its arguments, its inputs and its outputs.

    python -m workflow_scripts.train.grpo results/laptop/plan/rl/FB-s0-rl6-9.json

A stage is a function of this package. A plan file holds one job: the name of its stage and the
arguments. The workflow runs every job through operate.job, which also writes a receipt. The command
above runs the same job without a receipt, with the same result.
"""

import argparse
import hashlib
import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError, validate_call
from pydantic_core import to_jsonable_python

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, run_program
from workflow_scripts.common.provenance import code_hash, pinned_packages

PACKAGE = "workflow_scripts"
# A job's identity has it because code_hash hashes a syntax tree, which differs between versions.
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def digest(value: object) -> str:
    """A short hash of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def as_json(arguments: Mapping[str, object]) -> dict[str, Any]:
    """The arguments of a stage as JSON: settings as dictionaries, paths as text."""
    return {name: to_jsonable_python(value) for name, value in arguments.items()}


def flatten(value: object, prefix: str = "") -> dict[str, object]:
    """The leaves of nested dictionaries by dotted keys: {"a": {"b": 1}} becomes {"a.b": 1}."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in flatten(inner, f"{prefix}.{name}" if prefix else name).items()
    }


@dataclass(frozen=True)
class Job:
    """One job: all that is needed to run it, and to compare it with its receipt.

    name is also the path of its files below ``plan/`` and ``receipts/``. inputs and outputs hold
    files by the names that Snakemake's rules give them. trees are folders whose every file belongs
    to the job: an additional file in one counts as damage. ignored are dotted keys of arguments
    that cannot change the result. scratch is a folder that is removed after the job.
    """

    name: str
    program: str  # module:function, or module:Class.method, below this package
    arguments: dict[str, Any]
    inputs: dict[str, list[str]]
    outputs: dict[str, str]
    trees: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    scratch: str | None = None

    @property
    def module(self) -> str:
        """The module of the stage."""
        return f"{PACKAGE}.{self.program.partition(':')[0]}"

    @property
    def input_files(self) -> list[str]:
        """All inputs, each once."""
        return list(dict.fromkeys(file for files in self.inputs.values() for file in files))

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the result, except the content of the inputs. It is JSON."""
        arguments = {
            key: value
            for key, value in flatten(self.arguments).items()
            if not any(f"{key}.".startswith(f"{ignored}.") for ignored in self.ignored)
        }
        return {
            "program": self.program,
            "arguments": json.loads(json.dumps(arguments)),
            "code": code_hash(self.module),
            "packages": {**pinned_packages(self.module), "python": _PYTHON},
        }

    def run(self) -> None:
        """Call the stage's function. Raises StudyError for arguments that do not fit it."""
        function = attrgetter(self.program.partition(":")[2])(importlib.import_module(self.module))
        checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(function)
        try:
            checked(**self.arguments)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise StudyError(
                f"{self.name}: {key}: {first['msg']}: correct the configuration and run again, so "
                "that the plan is written anew"
            ) from error


def plan_text(job: Job) -> str:
    """The content of a job's plan file."""
    return json.dumps(asdict(job), indent=1, allow_nan=False) + "\n"


def read_plan(path: Path) -> Job:
    """Read a job from its plan file. Raises StudyError if that is missing or damaged."""
    fields = read_json(path)
    try:
        for name in ("trees", "ignored"):
            fields[name] = tuple(fields[name])
        return Job(**fields)
    except (KeyError, TypeError) as error:
        raise StudyError(
            f"{path} is not the plan of a job ({error}): run snakemake again, which writes it"
        ) from None


def run_stage(description: str) -> None:
    """Run the job of the plan file that the command line names, without a receipt."""

    def main() -> None:
        parser = argparse.ArgumentParser(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("plan", type=Path, help="results/<tier>/plan/<job>.json")
        job = read_plan(parser.parse_args().plan)
        spec = sys.modules["__main__"].__spec__
        assert spec is not None, "run it as python -m"
        stage = spec.name.removesuffix(".__main__")
        if job.module != stage:
            raise StudyError(f"{job.name} is a job of {job.module}, not of {stage}")
        job.run()

    run_program(main)
