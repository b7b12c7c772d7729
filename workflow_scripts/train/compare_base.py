"""Compare base models trained on this machine with the shipped base models (data/base).

    python -m workflow_scripts.train.compare_base PLAN

Trainings on different processors do not give the same bits. The models are therefore evaluated on
new documents of the corpus: the held-out loss and the line accuracy (see train.base) of both must
agree within tolerances.
"""

from pathlib import Path

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import write_text
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.device import prepare_torch
from workflow_scripts.model.store import load_model
from workflow_scripts.model.tokenizer import load_tokenizer
from workflow_scripts.settings.base import BaseSettings
from workflow_scripts.train.base import evaluate_base

# Tolerances for comparing two trainings: a smaller difference can come from rounding, a larger one
# means that a training went wrong.
TOLERANCES = {"loss": 0.02, "line_accuracy": 0.05}


def _evaluate(folder: Path, settings: BaseSettings) -> dict[str, float]:
    model, tokenizer = load_model(folder, settings.model), load_tokenizer(folder)
    return evaluate_base(model, tokenizer, settings.task, settings.base)


def compare_base(
    settings: list[BaseSettings], trained: list[Path], shipped: list[Path], output: Path
) -> None:
    """Compare pairs of models, and write the comparison as a Markdown table.

    A model is given by the path of its manifest, which lies in the model's folder. settings holds
    one entry per pair. Raises StudyError if a pair differs by more than a tolerance.
    """
    rows, different = [], []
    for each, ours, theirs in zip(settings, trained, shipped, strict=True):
        prepare_torch(each.model)
        measured, expected = (_evaluate(manifest.parent, each) for manifest in (ours, theirs))
        name = f"GF({each.task.field_size}), {each.task.asks} part asked"
        for measure, tolerance in TOLERANCES.items():
            found, wanted = measured[measure], expected[measure]
            rows.append(f"| {name} | {measure} | {found:.4f} | {wanted:.4f} | {tolerance} |")
            if abs(found - wanted) > tolerance:
                different.append(f"{name} {measure} {found:.4f} instead of {wanted:.4f}")
    if different:
        raise StudyError(f"base models differ from the shipped ones: {'; '.join(different)}")
    head = [
        "| base model | measure | trained here | shipped | tolerance |",
        "|---|---|--:|--:|--:|",
    ]
    write_text(output, "\n".join([*head, *rows]) + "\n")


if __name__ == "__main__":
    run_stage(__doc__)
