"""The verdicts on the paper's claims: claims.json and claims.md.

    python -m workflow_scripts.report.claims PLAN

Each experiment measures and judges its own quantities. This stage groups them by claim, and judges
the claims by their primary quantities.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_scripts.common.files import read_json
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.decision import holm
from workflow_scripts.evaluate.storage import write_whole
from workflow_scripts.report.criteria import Criterion, Verdict
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

_WORST_FIRST = (Verdict.NOT_REPRODUCED, Verdict.INCONCLUSIVE, Verdict.REPRODUCED)
NOT_BY_HOLM = "outside by its own interval, but not by Holm's method"


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


def judge(parts: list[Part], study: StudySettings) -> list[dict[str, Any]]:
    """The content of claims.json. Primary quantities alone decide a claim; see judge_claim."""
    measured = {part.experiment: read_json(part.quantities) for part in parts if part.quantities}
    claims = []
    for claim, statement in STATEMENTS.items():
        quantities: list[dict[str, Any]] = []
        shown_in: list[str] = []
        for part in parts:
            if claim not in part.shown_in:
                continue
            shown_in += part.shown_in[claim]
            found = [_not_run(part.experiment)]
            if part.experiment in measured:
                found = measured[part.experiment][claim]
            quantities += [
                quantity | {"origin": f"{part.experiment}: {quantity['origin']}"}
                for quantity in found
            ]
        judged = judge_claim(quantities, 1 - study.statistics.confidence)
        claims.append(
            {
                "id": claim,
                "tier": study.tier,
                "statement": statement,
                **judged,
                "shown_in": shown_in,
            }
        )
    return claims


def _not_run(experiment: str) -> dict[str, Any]:
    """The entry of an experiment that was not run, in place of its quantities."""
    quantity = Quantity(f"the experiment {experiment}", Criterion("the experiment was not run"))
    return quantity.to_json() | {"verdict": Verdict.INCONCLUSIVE}


def judge_claim(quantities: list[dict[str, Any]], alpha: float) -> dict[str, Any]:
    """The verdict on a claim, the number of its primary quantities, and its quantities.

    A claim is reproduced if all its primary quantities are. This is an intersection-union test,
    which needs no correction. A claim is not reproduced if one of its primary quantities is not.
    The more of them there are, the more often one lies outside of its bounds by chance. So Holm's
    method decides which of them are outside. One that is outside by its own interval alone becomes
    inconclusive.

    verdict_of_worst is the verdict by the rule of earlier versions, for comparison: the worst
    verdict of all quantities, primary and supporting.
    """
    by_interval = {quantity["verdict"] for quantity in quantities}
    outside = iter(holm([q["p_outside"] for q in quantities if q["primary"]], alpha))
    judged = []
    for quantity in quantities:
        rejected = quantity["primary"] and next(outside)
        if quantity["primary"] and quantity["verdict"] == Verdict.NOT_REPRODUCED and not rejected:
            quantity = quantity | {"verdict": Verdict.INCONCLUSIVE, "note": NOT_BY_HOLM}
        judged.append(quantity)
    primary = [quantity for quantity in judged if quantity["primary"]]
    verdicts = [Verdict(quantity["verdict"]) for quantity in primary]
    verdict = Verdict.INCONCLUSIVE
    if Verdict.NOT_REPRODUCED in verdicts:
        verdict = Verdict.NOT_REPRODUCED
    elif set(verdicts) == {Verdict.REPRODUCED}:
        verdict = Verdict.REPRODUCED
    return {
        "verdict": verdict,
        "verdict_of_worst": next((each for each in _WORST_FIRST if each in by_interval), verdict),
        "n_primary": len(primary),
        "n_reproduced": verdicts.count(Verdict.REPRODUCED),
        "quantities": judged,
    }


def to_json(claims: list[dict[str, Any]]) -> str:
    """The text of claims.json."""
    return json.dumps(claims, indent=2, allow_nan=False) + "\n"


_HOW = """\
Each claim has one **primary** quantity for each of its statements. They alone decide the claim.
**Supporting** quantities are measured and judged in the same way, but do not count.

- A quantity is judged by its interval ({intervals} over seeds and problems) and a rule that was
  written down before the run: *reproduced* if the interval lies wholly within the rule's bounds,
  *not reproduced* if wholly outside, else *inconclusive*. Numbers without a bound are *context*.
- A claim is *reproduced* if all its primary quantities are, *not reproduced* if one of them is not
  by Holm's method at {alpha:.2g} over its primary quantities, else *inconclusive*. A primary
  quantity that is outside by its own interval, but not by Holm's method, is inconclusive.
- *by the worst quantity* is the verdict by the rule of earlier versions of this study, for
  comparison: the worst verdict of all quantities, primary and supporting, by their intervals.
- *baseline* is what the number is compared with, such as chance or the value before RL.
- *n × seeds* counts problems, RL rollouts of a seed for numbers from training, tokens for
  cross-entropy. The number of seeds is the smallest of the models that are compared. With one seed,
  intervals are over problems alone and say nothing about other seeds. For numbers from training and
  for cross-entropy they are over seeds alone.
- *p* is the p value of the hypothesis that the rule holds: the smallest level at which the
  quantity's interval would lie outside of the rule's bounds. Holm's method compares these.
- *flips at* is the bound at which the verdict would change: the end of the interval that is nearest
  to the rule's bound. An inconclusive quantity says how many seeds would decide if value and
  variances stayed as they are, or that more problems are needed.
- *origin* names the experiment, the runs, the evaluation and the measure of a number. "exact" is
  measured by teacher forcing, without samples; "at 1.0" is its temperature."""


def to_markdown(claims: list[dict[str, Any]], study: StudySettings, parts: list[Part]) -> str:
    """The page claims.md: verdicts, quantities, and the provenance of each experiment."""
    intervals, alpha = interval_note(study), 1 - study.statistics.confidence
    lines = [
        f"# The paper's claims ({tier_note(study)})",
        "",
        _HOW.format(intervals=intervals, alpha=alpha),
        "",
        "| claim | verdict | primary quantities | by the worst quantity | statement | shown in |",
        "|:--|:--|:--|:--|:--|:--|",
    ]
    for claim in claims:
        shown, told = ", ".join(claim["shown_in"]), _told(claim)
        worst = claim["verdict_of_worst"]
        cells = (claim["id"], claim["verdict"], told, worst, claim["statement"], shown)
        lines.append(f"| {' | '.join(cells)} |")
    for claim in claims:
        lines += ["", f"## {claim['id']}: {claim['verdict']}, {_told(claim)}", ""]
        lines += [claim["statement"], *_others(claim)]
        for title, primary in (("Primary", True), ("Supporting", False)):
            chosen = [each for each in claim["quantities"] if each["primary"] == primary]
            if chosen:
                lines += ["", f"{title}:", "", *_table(chosen)]
    lines += ["", "## Made by", "", "| experiment | commit | code |", "|:--|:--|:--|"]
    lines += [_made_by(part.experiment, part.provenance) for part in parts if part.provenance]
    return "\n".join([*lines, ""])


def _told(claim: dict[str, Any]) -> str:
    return f"{claim['n_reproduced']} of {claim['n_primary']} reproduced"


def _others(claim: dict[str, Any]) -> list[str]:
    """A list of the primary quantities that are not reproduced or inconclusive."""
    others = [
        f"- {quantity['verdict']}: {quantity['name']}"
        for quantity in claim["quantities"]
        if quantity["primary"] and quantity["verdict"] != Verdict.REPRODUCED
    ]
    return ["", *others] if others else []


_COLUMNS = (
    "quantity",
    "ours",
    "paper",
    "baseline",
    "n × seeds",
    "rule",
    "p",
    "flips at",
    "verdict",
    "origin",
)


def _table(quantities: list[dict[str, Any]]) -> list[str]:
    rows = [_COLUMNS, (":--",) * len(_COLUMNS), *map(_cells, quantities)]
    return [f"| {' | '.join(row)} |" for row in rows]


def _cells(quantity: dict[str, Any]) -> tuple[str, ...]:
    value, low, high = (
        math.nan if quantity[key] is None else float(quantity[key])
        for key in ("value", "ci_low", "ci_high")
    )
    flips, note = quantity["flips_at"], quantity["note"]
    decimals = 1 if abs(value) >= 10 else 3
    return (
        quantity["name"],
        format_estimate(value, low, high, decimals=decimals),
        "" if quantity["paper"] is None else f"{quantity['paper']:g}",
        quantity["baseline"],
        f"{quantity['n']} × {quantity['n_seeds']}",
        quantity["rule"],
        f"{quantity['p_outside']:.2g}",
        "" if flips is None else f"{flips:.{decimals}f}",
        f"{quantity['verdict']} ({note})" if note else quantity["verdict"],
        quantity["origin"],
    )


def _made_by(experiment: str, provenance: Path) -> str:
    stages = read_json(provenance)
    commits = dict.fromkeys(commit for stage in stages.values() for commit in stage["commits"])
    code = (f"{stage_name(module)} {stage['code_hash']}" for module, stage in stages.items())
    return f"| {experiment} | {', '.join(commits)} | {', '.join(code)} |"


def stage_name(module: str) -> str:
    """The short name of a stage: "sft" for the module train.sft."""
    return module.rpartition(".")[2]


def make_claims(study: StudySettings, parts: list[Part], json: Path, markdown: Path) -> None:
    """Write claims.json and claims.md. Raises StudyError if an input file is damaged."""
    claims = judge(parts, study)
    page = to_markdown(claims, study, parts)
    write_whole(
        {
            json: lambda path: path.write_text(to_json(claims)),
            markdown: lambda path: path.write_text(page),
        }
    )


if __name__ == "__main__":
    run_stage(__doc__)
