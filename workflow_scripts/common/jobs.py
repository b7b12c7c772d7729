"""A job of the plan: the function that the job calls, its arguments, its inputs and its outputs.

    python -m workflow_scripts.train.grpo results/laptop/plan/rl/FB-s0-rl6-9.json

A stage is a function of this package that makes one kind of result, such as an RL run. A plan file
(JSON) describes one job: its stage, arguments, input files and output files. The workflow runs
every job through operate.job, which also writes a receipt: the hashes of the files that the job
read and wrote. The command above runs a job without writing a receipt. The result is the same.
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
# Part of a job's identity: code_hash hashes syntax trees, which differ between Python versions.
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def digest(value: object) -> str:
    """The first 16 hexadecimal digits of the SHA-256 hash of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def as_json(arguments: Mapping[str, object]) -> dict[str, Any]:
    """The arguments of a stage as JSON values: settings become dictionaries, paths strings."""
    return {name: to_jsonable_python(value) for name, value in arguments.items()}


def flatten(value: object, prefix: str = "") -> dict[str, object]:
    """Flatten nested dictionaries into one with dotted keys: {"a": {"b": 1}} to {"a.b": 1}."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in flatten(inner, f"{prefix}.{name}" if prefix else name).items()
    }


@dataclass(frozen=True)
class Job:
    """One job: everything needed to run the job and to compare the job with its receipt.

    name is also the path of the job's files below ``plan/`` and ``receipts/``. inputs and outputs
    map the names used in Snakemake's rules to file paths. trees are folders that belong to the job
    alone: an additional file in such a folder counts as damage. ignored lists the dotted keys of
    arguments that cannot change the result. scratch is a folder of temporary files, which is
    removed after the job.
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
        """The name of the module that defines the stage."""
        return f"{PACKAGE}.{self.program.partition(':')[0]}"

    @property
    def input_files(self) -> list[str]:
        """All input files, without duplicates."""
        return list(dict.fromkeys(file for files in self.inputs.values() for file in files))

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that determines the result, except the input files' content. A JSON value."""
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
        """Call the stage's function. Raises StudyError if its parameters reject the arguments."""
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
    """The content of a job's plan file, as JSON text."""
    return json.dumps(asdict(job), indent=1, allow_nan=False) + "\n"


def read_plan(path: Path) -> Job:
    """Read a job from its plan file. Raises StudyError if the file is missing or damaged."""
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
    """Run the job of the plan file named on the command line, without writing a receipt.

    Ends the program with status 1 if the job's stage is in another module than the one started.
    """

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
