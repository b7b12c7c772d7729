"""The verdicts on the paper's claims: claims.json and claims.md.

python -m workflow_scripts.report.claims PLAN
"""

import json
import math
from pathlib import Path

from workflow_scripts.common.files import read_json
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.storage import write_whole
from workflow_scripts.report import rules
from workflow_scripts.report.criteria import CLAIMS, Rule
from workflow_scripts.report.inputs import Inputs
from workflow_scripts.report.quantities import PARTS, Quantity
from workflow_scripts.report.tables import format_estimate
from workflow_scripts.settings import Settings


def judge(experiments: dict[str, Inputs], tier: str) -> list[dict]:
    """The content of claims.json, from the experiments that were run."""
    claims = []
    for identity, claim in CLAIMS.items():
        quantities = []
        for name, measure in PARTS[identity]:
            if name in experiments:
                quantities += measure(experiments[name])
            else:
                missing = Rule("the experiment was not run")
                quantities.append(Quantity(f"the experiment {name}", missing))
        claims.append(
            {
                "id": identity,
                "tier": tier,
                "statement": claim.statement,
                "quantities": [quantity.to_json() for quantity in quantities],
                "verdict": rules.worst([quantity.verdict for quantity in quantities]),
                "shown_in": list(claim.shown_in),
            }
        )
    return claims


def to_json(claims: list[dict]) -> str:
    return json.dumps(claims, indent=2, allow_nan=False) + "\n"


def to_markdown(claims: list[dict], settings: Settings, made_by: dict[str, dict[str, dict]]) -> str:
    """The page of the claims; made_by has the provenance of each experiment, by stage."""
    page = Inputs(settings)
    lines = [
        f"# The paper's claims ({page.note})",
        "",
        f"Verdicts are from {page.interval_note} (over seeds and problems; of one "
        "seed, over problems; in C4 and for cross-entropy over seeds alone, which is rough with "
        "few of them) against rules that were fixed before the run: reproduced if the interval "
        "lies wholly within the rule's bounds, not reproduced if wholly outside, else "
        "inconclusive. A claim has the worst verdict of its quantities. n counts problems, RL "
        "rollouts in C4, tokens for cross-entropy.",
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
    for experiment, stages in made_by.items():
        commits = dict.fromkeys(commit for stage in stages.values() for commit in stage["commits"])
        code = (f"{name.split('.')[-1]} {stage['code_hash']}" for name, stage in stages.items())
        lines.append(f"| {experiment} | {', '.join(commits)} | {', '.join(code)} |")
    return "\n".join([*lines, ""])


def _markdown_row(quantity: dict) -> str:
    numbers = [
        math.nan if quantity[key] is None else quantity[key]
        for key in ("value", "ci_low", "ci_high")
    ]
    paper = "" if quantity["paper"] is None else f"{quantity['paper']:g}"
    ours = format_estimate(*numbers, decimals=1 if abs(numbers[0]) >= 10 else 3)
    n = f"{quantity['n']} × {quantity['n_seeds']}"
    cells = (quantity["name"], ours, paper, n, quantity["rule"])
    return f"| {' | '.join(cells)} | {quantity['verdict']} |"


def make_claims(
    settings: Settings, files: dict[str, dict[str, list[Path]]], json: Path, markdown: Path
) -> None:
    """Judge the claims from the files of each experiment: scores, training, sft, provenance."""
    made_by = {name: read_json(*some["provenance"]) for name, some in files.items()}
    experiments = {
        name: Inputs.read(
            settings, **{kind: paths for kind, paths in some.items() if kind != "provenance"}
        )
        for name, some in files.items()
    }
    claims = judge(experiments, settings.tier)
    page = to_markdown(claims, settings, made_by)
    write_whole(
        {
            json: lambda path: path.write_text(to_json(claims)),
            markdown: lambda path: path.write_text(page),
        }
    )


if __name__ == "__main__":
    run_stage(__doc__)
