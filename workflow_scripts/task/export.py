"""Export data sets in the layout of the Hugging Face hub, from which load_dataset reads them.

    python -m workflow_scripts.task.export dev.jsonl confirm.jsonl --output folder

The folder gets data/<configuration>-<split>.jsonl for each data set, and README.md, a card whose
YAML header names configurations, splits, features and licence. A data set's kind is its
configuration: validation (splits dev and confirm), sft, prompts or heldout (split train).
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import damaged, run_program, write_text
from workflow_scripts.task.datasets import Row
from workflow_scripts.task.mixes import (
    Compositions,
    PromptMix,
    PromptSingles,
    SftMix,
    Singles,
    SolvedSingles,
    ValidationMix,
)
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.strangers import read_given_dataset
from workflow_scripts.task.task import Task

# The features of a row: name -> (type, meaning). Only SFT sets and held-out sets have solutions.
_FEATURES = {
    "id": ("int64", "the number of the row"),
    "type": ("string", "`evaluation`, `inversion` or `composition`"),
    "steps": ("int64", "the number of steps to work"),
    "parts": ("int64", "the number of parts: 1, or more for a composition"),
    "prompt": ("string", "the text that a model reads"),
    "strategy": ("string", "the strategy of the solution: `forward`, `backward` or `fitting`"),
    "response": ("string", "a correct solution"),
    "answer": ("string", "the symbol of the correct answer, such as `e4`"),
    "problem": ("string", "the problem as JSON text, for the verifier and the labels"),
}
_MIXES = (Singles, SolvedSingles, PromptSingles, Compositions)  # no two have the same fields
# The call of task.datasets that makes each kind.
_CALLS = {
    "validation": 'make_validation({task}, {mix}, {n}, Path("dev.jsonl"), Path("confirm.jsonl"))',
    "heldout": 'make_heldout({task}, {mix}, VALIDATION[0], Path("heldout.jsonl"))',
    "sft": 'make_sft({task}, {mix}, {n}, {seed}, VALIDATION, Path("sft.jsonl"))',
    "prompts": 'make_prompts({task}, {mix}, {n}, {seed}, VALIDATION, Path("prompts.jsonl"))',
}


@dataclass(frozen=True)
class _Source:
    """A data set to export: its path, the settings in its header, and its rows."""

    path: Path
    settings: dict[str, Any]
    rows: list[Row]

    @property
    def kind(self) -> str:
        return str(self.settings["kind"])

    @property
    def split(self) -> str:
        return str(self.settings.get("split", "train"))

    @property
    def file(self) -> str:
        """The path of the exported file in the folder."""
        return f"data/{self.kind}-{self.split}.jsonl"

    @property
    def text(self) -> str:
        """The content of the exported file."""
        return "".join(map(_export_row, self.rows))

    @property
    def features(self) -> list[str]:
        return [name for name in _FEATURES if name in self.rows[0] or name == "answer"]

    @property
    def command(self) -> str:
        """The call that makes the data set anew."""
        task = Task(**self.settings["task"])
        mix = _read_mix(self.settings["mix"])
        n, seed = len(self.rows), self.settings.get("seed")
        return _CALLS[self.kind].format(task=task, mix=mix, n=n, seed=seed)


def _read_mix(fields: dict[str, Any]) -> ValidationMix | SftMix | PromptMix:
    """The mix whose fields a header states; lists become tuples again."""
    values: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()
    }
    for mix in _MIXES:
        if set(mix.__dataclass_fields__) == set(values):
            return mix(**values)
    raise ValueError(f"no mix has the fields {', '.join(values)}")


def _read(path: Path) -> _Source:
    """Read and verify a data set. Raises StudyError if it is damaged or empty."""
    rows = read_given_dataset(path)
    settings = json.loads(path.read_text(encoding="utf-8").partition("\n")[0])["settings"]
    source = _Source(path, settings, rows)
    try:
        _ = source.command
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"its header describes no data set: {error}") from None
    if not rows:
        raise StudyError(f"{path} has no rows: export a data set that has some")
    return source


def _export_row(row: Row) -> str:
    problem = Problem.from_json(row["problem"])
    values = {
        **row,
        "answer": problem.field.names[problem.answer],
        # As text, because the columns of a table cannot hold lists of steps of any shape.
        "problem": json.dumps(row["problem"]),
    }
    return json.dumps({name: values[name] for name in _FEATURES if name in values}) + "\n"


def _header(configurations: dict[str, list[_Source]]) -> list[str]:
    """The lines of the card's YAML header."""
    lines = ["license: mit", "language: [en]", "task_categories: [text-generation]"]
    lines += ["tags: [reasoning, synthetic]", "pretty_name: Select and Improve", "configs:"]
    for name, sources in configurations.items():
        lines += [f"- config_name: {name}", "  data_files:"]
        for source in sources:
            lines += [f"  - split: {source.split}", f"    path: {source.file}"]
    lines.append("dataset_info:")
    for name, sources in configurations.items():
        lines += [f"- config_name: {name}", "  features:"]
        for feature in sources[0].features:
            lines += [f"  - name: {feature}", f"    dtype: {_FEATURES[feature][0]}"]
        lines.append("  splits:")
        for source in sources:
            lines += [f"  - name: {source.split}", f"    num_bytes: {len(source.text.encode())}"]
            lines.append(f"    num_examples: {len(source.rows)}")
    return ["---", *lines, "---"]


def _card(configurations: dict[str, list[_Source]]) -> str:
    """The text of README.md."""
    sources = [source for each in configurations.values() for source in each]
    features = dict.fromkeys(name for source in sources for name in source.features)
    paths = " ".join(source.path.name for source in sources)
    lines = [
        *_header(configurations),
        "",
        "# Arithmetic programs over a finite field",
        "",
        "Each prompt shows a small program over a finite field and asks for its result "
        "(evaluation) or for its start (inversion). Every problem has exactly one answer.",
        "",
        "| configuration | split | rows |",
        "|---|---|--:|",
        *(f"| {each.kind} | {each.split} | {len(each.rows)} |" for each in sources),
        "",
        "| feature | type | meaning |",
        "|---|---|---|",
        *(f"| {name} | {_FEATURES[name][0]} | {_FEATURES[name][1]} |" for name in features),
        "",
        "Licence: MIT.",
        "",
        "## How it was made",
        "",
        "With the library of the project select-and-improve (import name `workflow_scripts`). The "
        "same calls give the same rows, byte for byte. VALIDATION is the list of the validation "
        "sets: a training set holds none of their problems, a held-out set solves those of one.",
        "",
        "    from workflow_scripts.task.library import *",
        "    from pathlib import Path",
        "",
        *(f"    {command}" for command in dict.fromkeys(source.command for source in sources)),
        "",
        f"    python -m workflow_scripts.task.export {paths} --output FOLDER",
        "",
    ]
    return "\n".join(lines)


def export(paths: list[Path], folder: Path) -> None:
    """Write data sets (see task.datasets) to a folder in the layout of the Hugging Face hub.

    Raises StudyError if a data set is damaged or empty, or if two have the same kind and split.
    """
    configurations: dict[str, list[_Source]] = {}
    taken: dict[str, Path] = {}
    for source in map(_read, paths):
        if source.file in taken:
            raise StudyError(
                f"{taken[source.file]} and {source.path} both are {source.kind} sets for the split "
                f"{source.split}: export them to different folders"
            )
        taken[source.file] = source.path
        configurations.setdefault(source.kind, []).append(source)
    for sources in configurations.values():
        for source in sources:
            write_text(folder / source.file, source.text)
    write_text(folder / "README.md", _card(configurations))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("datasets", nargs="+", type=Path, help="files that task.datasets wrote")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write")
    arguments = parser.parse_args()
    export(arguments.datasets, arguments.output)


if __name__ == "__main__":
    run_program(main)
