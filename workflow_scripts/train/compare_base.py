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
from workflow_scripts.settings.base import BaseSettings
from workflow_scripts.train.base import evaluate_base

# Two trainings that differ in rounding alone stay within these; one that went wrong does not.
TOLERANCES = {"loss": 0.02, "line_accuracy": 0.05}


def _evaluate(folder: Path, settings: BaseSettings) -> dict[str, float]:
    model, tokenizer = load_model(folder, settings.model), load_tokenizer(folder)
    return evaluate_base(model, tokenizer, settings.task, settings.base)


def compare_base(
    settings: list[BaseSettings], trained: list[Path], shipped: list[Path], output: Path
) -> None:
    """Write the comparison of pairs of models; each model is named by its manifest.

    settings are those of each pair. Raises StudyError if a pair differs by more than the
    tolerances.
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
