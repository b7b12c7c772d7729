"""Score responses of any model, wherever they come from, with the study's own measures.

    python -m workflow_scripts.operate.score responses.jsonl --output scores

operate.responses describes the lines of the file. If they name problems by id, --problems names the
data set that has them. The folder gets

- scores.md: pass@1 by type and number of steps, pass@k, strategies and first mistakes;
- estimates.csv: every estimate, with its interval and standard errors;
- labels.csv: reward and label of every response.
"""

import argparse
from pathlib import Path

import pandas as pd

from workflow_scripts.common.files import run_program, write_text
from workflow_scripts.evaluate.collect import count_rollouts
from workflow_scripts.evaluate.label import KEYS, label_rollouts
from workflow_scripts.evaluate.lenient import compare_rewards
from workflow_scripts.evaluate.metrics import (
    ALL_TYPES,
    MISTAKE_COLUMNS,
    Group,
    Scores,
    Subset,
    tabulate,
)
from workflow_scripts.evaluate.storage import write_whole, writer
from workflow_scripts.operate.responses import Responses, read_responses
from workflow_scripts.report.tables import MIX_NOTE, STRATEGIES, TYPES, format_estimate
from workflow_scripts.settings.statistics import Statistics
from workflow_scripts.settings.values import single
from workflow_scripts.task.problems import COMPOSITION

_STATISTICS = Statistics(confidence=0.95)
_EVALUATION = "responses"
# Column -> measure. Guess and check is one strategy in either direction, the others have no guess.
_STRATEGIES = {**STRATEGIES, "fits": "share_fitting", "right if it fits": "accuracy_given_fitting"}
_MISTAKES = {
    **{
        column.removeprefix("mistake_").replace("_", " "): f"{column}_given_fitting"
        for column in MISTAKE_COLUMNS
    },
    "none": "verified_given_fitting",
}


def count_responses(responses: Responses) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores (see evaluate.collect) and the labels of responses, for all models.

    Each model counts as one run with one seed, so intervals are over problems alone.
    """
    rows = [
        {"id": id_, "type": each.type, "steps": each.n_steps, "parts": len(each.parts)}
        for id_, each in responses.problems.items()
    ]
    scores, labelled = [], []
    for model, of_model in responses.table.groupby("model", sort=False):
        rollouts = of_model.drop(columns=["model", "line"])
        labels = label_rollouts(rollouts, responses.problems)
        name = {"model": model, "stage": "", "condition": "", "seed": 0, "family": model}
        counts = count_rollouts(rollouts, labels, rows)
        scores.append(counts.assign(**name, run=model, evaluation=_EVALUATION))
        fields = labels.drop(columns=KEYS)
        labelled.append(of_model[["line", "model", "problem", "sample", "reward"]].join(fields))
    return pd.concat(scores, ignore_index=True), pd.concat(labelled).sort_values("line")


def _cells(group: Group, measures: dict[str, str], on: Subset) -> dict[str, str]:
    """Estimates as text, by column."""
    estimates = group.estimates(list(measures.values()), on)
    texts = (format_estimate(each.value, each.ci_low, each.ci_high) for each in estimates)
    return dict(zip(measures, texts, strict=True))


def _types(group: Group) -> list[str]:
    """All types together, and each that occurs if there are two."""
    present = [type_ for type_ in TYPES if type_ in set(group.problems["type"])]
    return [ALL_TYPES, *present] if len(present) > 1 else [ALL_TYPES]


def _accuracy(group: Group) -> list[dict[str, str]]:
    """Rows of Table 1: one for all problems, and one for each number of steps (or of parts)."""
    compositions = (group.problems["type"] == COMPOSITION).all()
    difficulty = "parts" if compositions else "steps"
    rows = [{difficulty: "all", **_by_type(group, Subset())}]
    for number in group.values(difficulty):
        span = single(number)
        on = Subset(parts=span) if compositions else Subset(steps=span)
        rows.append({difficulty: str(number), **_by_type(group, on)})
    return rows


def _by_type(group: Group, on: Subset) -> dict[str, str]:
    return {
        type_: _cells(group, {"": "pass@1"}, Subset(type_, on.steps, on.parts))[""]
        for type_ in _types(group)
    }


def _of_each_type(group: Group, measures: dict[str, str]) -> list[dict[str, str]]:
    """Rows with one measure in each column, one row for each type."""
    return [{"type": type_, **_cells(group, measures, Subset(type_))} for type_ in _types(group)]


def to_page(responses: Responses, scores: Scores, title: str) -> str:
    """The Markdown page of scores."""
    groups = {
        model: scores.group(model, "", evaluation=_EVALUATION) for model in scores.unique("model")
    }
    sections = {
        "pass@1": {model: _accuracy(group) for model, group in groups.items()},
        "pass@k": {
            model: _of_each_type(group, {f"k = {k}": f"pass@{k}" for k in group.ks})
            for model, group in groups.items()
        },
        "Strategies (shares of all responses)": {
            model: _of_each_type(group, _STRATEGIES) for model, group in groups.items()
        },
        "First mistakes (shares of the responses that fit)": {
            model: _of_each_type(group, _MISTAKES) for model, group in groups.items()
        },
    }
    lines = [f"# {title}", ""]
    for model, group in groups.items():
        table = responses.table[responses.table["model"] == model]
        complete = f"{table['complete'].mean():.1%} complete"
        n_problems = len(group.problems["problem"])
        difference = compare_rewards(table, responses.problems)
        lines.append(
            f"- {model}: {n_problems} problems, {group.n_samples} samples each, {complete}; "
            f"{difference}."
        )
    lines += [
        "",
        "In brackets, 95 % t intervals over problems: other training seeds may differ more. An "
        "interval needs at least two problems of each type and number of steps. "
        f"{MIX_NOTE} A response fits if it works directly, without a guess, in the direction that "
        "fits the problem.",
        "",
    ]
    for heading, by_model in sections.items():
        rows = [{"model": model, **row} for model, rows in by_model.items() for row in rows]
        body = pd.DataFrame(rows).fillna("").to_markdown(index=False, disable_numparse=True)
        lines += [f"## {heading}", "", body, ""]
    return "\n".join(lines)


def score(responses: Responses, title: str, output: Path) -> str:
    """Write scores.md, estimates.csv and labels.csv into a folder. Returns the page."""
    counts, labels = count_responses(responses)
    scores = Scores(counts, _STATISTICS)
    page = to_page(responses, scores, title)
    tables = {output / "estimates.csv": tabulate(scores, []), output / "labels.csv": labels}
    write_whole({path: writer(table, path) for path, table in tables.items()})
    write_text(output / "scores.md", page)
    return page


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("responses", type=Path, help="a JSON-lines file")
    parser.add_argument("--problems", type=Path, help="the data set whose ids the lines have")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write")
    arguments = parser.parse_args()
    responses = read_responses(arguments.responses, arguments.problems)
    print(score(responses, f"Scores of {arguments.responses.name}", arguments.output))


if __name__ == "__main__":
    run_program(main)
