"""The verdicts on the paper's claims: claims.json and claims.md.

    python -m workflow_scripts.report.claims PLAN

Each experiment measures and judges its own quantities. This stage groups them by claim.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_scripts.common.files import read_json
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.storage import write_whole
from workflow_scripts.report.criteria import Criterion, Verdict, worst
from workflow_scripts.report.inputs import interval_note, tier_note
from workflow_scripts.report.quantities import Quantity
from workflow_scripts.report.tables import format_estimate
from workflow_scripts.settings.study import StudySettings

STATEMENTS = {
    "C1": "Selection: FB reaches about 95 % after RL, F and B about 50-60 %, all from a comparable "
    "start after SFT.",
    "C2": "Routing: RL makes FB use forward on evaluation and backward on inversion.",
    "C3": "Improvement needs harder data: RL at SFT's difficulty brings F and B no generalization "
    "to longer problems, and FB selection only; RL on harder problems brings both.",
    "C4": "Time scales: selection within about 40 RL steps, improvement over hundreds.",
    "C5": "pass@k: RL concentrates on strategies that are already present.",
    "C6": "No new strategy: a model never shown a strategy does not acquire it through RL; its "
    "accuracy on the other type stays at chance.",
    "C7": "Amplification is a consequence of selection: the share of forward responses follows the "
    "share of evaluation among the RL prompts.",
    "C8": "Composition is a consequence of improvement: RL on 3-5 parts extends composition only "
    "if SFT held examples of 2 parts.",
    "C9": "Robustness: the results hold for other learning rates (a high one in RL is unstable), "
    "KL coefficients, group sizes and field sizes, and FB improves on 6-15 steps.",
}


@dataclass(frozen=True)
class Part:
    """One experiment's contribution to the claims.

    shown_in lists, by claim, the tables and figures that show the claim. quantities and provenance
    are files of the experiment. Both are None if the experiment is not enabled.
    """

    experiment: str
    shown_in: dict[str, list[str]] = field(default_factory=dict)
    quantities: Path | None = None
    provenance: Path | None = None


def judge(parts: list[Part], tier: str) -> list[dict[str, Any]]:
    """The content of claims.json. The verdict on a claim is the worst verdict of its quantities."""
    measured = {part.experiment: read_json(part.quantities) for part in parts if part.quantities}
    claims = []
    for claim, statement in STATEMENTS.items():
        quantities: list[dict[str, Any]] = []
        shown_in: list[str] = []
        for part in parts:
            if claim not in part.shown_in:
                continue
            shown_in += part.shown_in[claim]
            if part.experiment in measured:
                quantities += measured[part.experiment][claim]
            else:
                missing = Criterion("the experiment was not run")
                quantities.append(Quantity(f"the experiment {part.experiment}", missing).to_json())
        claims.append(
            {
                "id": claim,
                "tier": tier,
                "statement": statement,
                "quantities": quantities,
                "verdict": worst([Verdict(quantity["verdict"]) for quantity in quantities]),
                "shown_in": shown_in,
            }
        )
    return claims


def to_json(claims: list[dict[str, Any]]) -> str:
    """The text of claims.json."""
    return json.dumps(claims, indent=2, allow_nan=False) + "\n"


def to_markdown(claims: list[dict[str, Any]], study: StudySettings, parts: list[Part]) -> str:
    """The page claims.md: verdicts, quantities, and the provenance of each experiment."""
    lines = [
        f"# The paper's claims ({tier_note(study)})",
        "",
        f"Verdicts are from {interval_note(study)} over seeds and problems against rules that were "
        "fixed before the run: reproduced if the interval lies wholly within the rule's bounds, "
        "not reproduced if wholly outside, else inconclusive. With one seed, intervals are over "
        "problems alone and say nothing about other seeds. In C4 and for cross-entropy they are "
        "over seeds alone. A claim has the worst verdict of its quantities. n counts problems, RL "
        "rollouts in C4, tokens for cross-entropy. The number of seeds is the smallest one of the "
        "models that are compared.",
        "",
        "| claim | verdict | statement | shown in |",
        "|:--|:--|:--|:--|",
    ]
    for claim in claims:
        shown = ", ".join(claim["shown_in"])
        lines.append(f"| {claim['id']} | {claim['verdict']} | {claim['statement']} | {shown} |")
    for claim in claims:
        lines += [
            "",
            f"## {claim['id']}: {claim['verdict']}",
            "",
            claim["statement"],
            "",
            "| quantity | ours | paper | n × seeds | rule | verdict |",
            "|:--|:--|:--|:--|:--|:--|",
            *(_markdown_row(quantity) for quantity in claim["quantities"]),
        ]
    lines += ["", "## Made by", "", "| experiment | commit | code |", "|:--|:--|:--|"]
    lines += [_made_by(part.experiment, part.provenance) for part in parts if part.provenance]
    return "\n".join([*lines, ""])


def _made_by(experiment: str, provenance: Path) -> str:
    stages = read_json(provenance)
    commits = dict.fromkeys(commit for stage in stages.values() for commit in stage["commits"])
    code = (f"{stage_name(module)} {stage['code_hash']}" for module, stage in stages.items())
    return f"| {experiment} | {', '.join(commits)} | {', '.join(code)} |"


def stage_name(module: str) -> str:
    """The short name of a stage: "sft" for the module train.sft."""
    return module.rpartition(".")[2]


def _markdown_row(quantity: dict[str, Any]) -> str:
    value, low, high = (
        math.nan if quantity[key] is None else float(quantity[key])
        for key in ("value", "ci_low", "ci_high")
    )
    paper = "" if quantity["paper"] is None else f"{quantity['paper']:g}"
    ours = format_estimate(value, low, high, decimals=1 if abs(value) >= 10 else 3)
    n = f"{quantity['n']} × {quantity['n_seeds']}"
    cells = (quantity["name"], ours, paper, n, quantity["rule"])
    return f"| {' | '.join(cells)} | {quantity['verdict']} |"


def make_claims(study: StudySettings, parts: list[Part], json: Path, markdown: Path) -> None:
    """Write claims.json and claims.md. Raises StudyError if an input file is damaged."""
    claims = judge(parts, study.tier)
    page = to_markdown(claims, study, parts)
    write_whole(
        {
            json: lambda path: path.write_text(to_json(claims)),
            markdown: lambda path: path.write_text(page),
        }
    )


if __name__ == "__main__":
    run_stage(__doc__)
