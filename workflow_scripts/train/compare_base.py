"""Compare base models trained on this machine with the shipped ones.

    python -m workflow_scripts.train.compare_base --help

Bits differ between processors, so the two are compared on fresh documents of the corpus: held-out
loss and accuracy on single lines must agree within the tolerances below.
"""

import argparse
import json
from pathlib import Path

from workflow_scripts.files import StudyError, run_stage, write_text
from workflow_scripts.model.store import load_model, load_tokenizer, prepare_torch
from workflow_scripts.train.base import evaluate_base

# Trainings that differ in rounding alone differ by less; one that went wrong, by far more.
TOLERANCES = {"loss": 0.02, "line_accuracy": 0.05}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=json.loads, nargs="+", required=True)
    parser.add_argument("--trained", type=Path, nargs="+", required=True, help="manifests")
    parser.add_argument("--shipped", type=Path, nargs="+", required=True, help="manifests")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    rows, different = [], []
    for settings, *manifests in zip(args.settings, args.trained, args.shipped, strict=True):
        task, model = settings["task"], settings["model"]
        prepare_torch(model["device"], model["threads"])
        trained, shipped = (
            evaluate_base(
                load_model(manifest.parent, model["device"], model["dtype"]),
                load_tokenizer(manifest.parent),
                task,
                settings["base"],
            )
            for manifest in manifests
        )
        for name, tolerance in TOLERANCES.items():
            row = (
                f"GF({task['field_size']}), {task['asks']} part asked",
                name,
                trained[name],
                shipped[name],
                tolerance,
            )
            rows.append("| {} | {} | {:.4f} | {:.4f} | {} |".format(*row))
            if abs(trained[name] - shipped[name]) > tolerance:
                different.append(f"{row[0]} {name} {row[2]:.4f} instead of {row[3]:.4f}")
    if different:
        raise StudyError(f"base models differ from the shipped ones: {'; '.join(different)}")
    head = [
        "| base model | measure | trained here | shipped | tolerance |",
        "|---|---|--:|--:|--:|",
    ]
    write_text(args.output, "\n".join([*head, *rows]) + "\n")


if __name__ == "__main__":
    run_stage(main)
