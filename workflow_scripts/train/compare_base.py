"""Compare base models trained on this machine with the shipped ones.

    python -m workflow_scripts.train.compare_base PLAN

Bits differ between processors, so the two are compared on fresh documents of the corpus: held-out
loss and accuracy on single lines must agree within the tolerances below.
"""

from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import write_text
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.store import load_model, load_tokenizer, prepare_torch
from workflow_scripts.train.base import evaluate_base

# Trainings that differ in rounding alone differ by less; one that went wrong, by far more.
TOLERANCES = {"loss": 0.02, "line_accuracy": 0.05}


def compare_base(
    settings: list[dict], trained: list[Path], shipped: list[Path], output: Path
) -> None:
    """Write the comparison of models, named by their manifests; settings are those of each base.

    Raises StudyError if a pair differs by more than the tolerances.
    """
    rows, different = [], []
    for each, *manifests in zip(settings, trained, shipped, strict=True):
        task, model = each["task"], each["model"]
        prepare_torch(model["device"], model["threads"])
        ours, theirs = (
            evaluate_base(
                load_model(manifest.parent, model["device"], model["dtype"]),
                load_tokenizer(manifest.parent),
                task,
                each["base"],
            )
            for manifest in manifests
        )
        for name, tolerance in TOLERANCES.items():
            row = (
                f"GF({task['field_size']}), {task['asks']} part asked",
                name,
                ours[name],
                theirs[name],
                tolerance,
            )
            rows.append("| {} | {} | {:.4f} | {:.4f} | {} |".format(*row))
            if abs(ours[name] - theirs[name]) > tolerance:
                different.append(f"{row[0]} {name} {row[2]:.4f} instead of {row[3]:.4f}")
    if different:
        raise StudyError(f"base models differ from the shipped ones: {'; '.join(different)}")
    head = [
        "| base model | measure | trained here | shipped | tolerance |",
        "|---|---|--:|--:|--:|",
    ]
    write_text(output, "\n".join([*head, *rows]) + "\n")


if __name__ == "__main__":
    run_stage(__doc__)
