import json
import math
from dataclasses import replace

import pytest
from pydantic_core import to_jsonable_python

from tests.conftest import run_stage
from tests.report.synthetic import (
    EXPERIMENTS,
    FULL,
    NO_LEARNING,
    SMOKE,
    World,
    make_inputs,
    make_settings,
    source,
)
from workflow_scripts.evaluate.metrics import Scores
from workflow_scripts.experiments.main.selection import RISES
from workflow_scripts.plan.study import Study
from workflow_scripts.report.claims import Part, judge, to_markdown
from workflow_scripts.report.criteria import Criterion, Verdict, worst

LONG = make_settings(
    seeds=[0, 1, 2, 3, 4],  # with three, intervals of differences are about as wide as 5 points
    rl__steps=300,
    rl__scored_steps=[10, 20, 100],
    experiments__robustness__axes={"rl.kl_coefficient": [0.1], "rl.group_size": [16]},
)
REPRODUCED, INCONCLUSIVE, NOT_REPRODUCED = (
    Verdict.REPRODUCED,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_REPRODUCED,
)
MADE_BY = {"workflow_scripts.train.sft": {"code_hash": "ab12", "commits": ["c0ffee"], "n": 9}}
QUANTITY = {"name", "value", "ci_low", "ci_high", "n", "paper", "rule", "verdict"}


def judge_all(experiments, folder, tier="laptop"):
    """The claims from the experiments that were run."""
    parts = []
    for experiment in Study(LONG).settings.experiments.all():
        if (claims := experiment.claims()) is None:
            continue
        shown_in = {claim: list(part.shown_in) for claim, part in claims.parts.items()}
        file = None
        if inputs := experiments.get(experiment.name):
            file = folder / f"{experiment.name}.json"
            measured = inputs.experiment.claims().parts.items()
            content = {c: [q.to_json() for q in part.measure(inputs)] for c, part in measured}
            file.write_text(json.dumps(content, allow_nan=False))
        parts.append(Part(experiment.name, shown_in, file))
    return judge(parts, tier)


def judged(world, folder, settings=LONG, **size):
    experiments = {name: make_inputs(settings, name, world, **size) for name in EXPERIMENTS}
    return judge_all(experiments, folder, settings.tier)


@pytest.fixture(scope="module")
def true_claims(tmp_path_factory):
    # Enough problems that 5 points are clearly more than the intervals' width.
    return judged(World(improved=0.985), tmp_path_factory.mktemp("true"), per_stratum=96)


@pytest.fixture(scope="module")
def false_claims(tmp_path_factory):
    return judged(NO_LEARNING, tmp_path_factory.mktemp("false"), per_stratum=24)


@pytest.mark.parametrize(
    ("ci", "verdict"),
    [
        ((0.3, 0.4), REPRODUCED),
        ((0.1, 0.4), INCONCLUSIVE),
        ((0.3, 0.6), INCONCLUSIVE),
        ((0.1, 0.6), INCONCLUSIVE),
        ((0.0, 0.1), NOT_REPRODUCED),
        ((0.6, 0.7), NOT_REPRODUCED),
        ((math.nan, math.nan), INCONCLUSIVE),
    ],
)
def test_verdicts_follow_from_the_interval_and_the_bounds(ci, verdict):
    assert Criterion("", low=0.2, high=0.5).judge(*ci) == verdict


def test_an_exact_zero_is_no_rise():
    assert RISES.judge(0.0, 0.0) == NOT_REPRODUCED


def test_a_claim_has_the_worst_verdict_of_its_quantities():
    assert worst([REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE]) == NOT_REPRODUCED
    assert worst([REPRODUCED, INCONCLUSIVE]) == INCONCLUSIVE
    assert worst([REPRODUCED, REPRODUCED]) == REPRODUCED


def verdicts(claims):
    return {claim["id"]: claim["verdict"] for claim in claims}


def test_the_papers_effects_are_reproduced(true_claims):
    assert verdicts(true_claims) == {f"C{i}": REPRODUCED for i in range(1, 10)}


def test_models_that_do_not_learn_reproduce_nothing_but_are_never_taken_for_it(false_claims):
    found = verdicts(false_claims)
    assert REPRODUCED not in found.values()
    for identity in ("C1", "C2", "C6", "C7", "C8", "C9"):
        assert found[identity] == NOT_REPRODUCED
    assert found["C4"] == INCONCLUSIVE  # no rise, no time scale


def test_few_samples_are_inconclusive(tmp_path):
    one_seed = make_settings(seeds=[0])
    claims = judged(World(), tmp_path, one_seed, per_stratum=2, samples=1)
    found = [q["verdict"] for claim in claims[:3] for q in claim["quantities"]]
    assert INCONCLUSIVE in found
    assert NOT_REPRODUCED not in verdicts(claims[1:2]).values()


def test_every_claim_has_its_fields_and_every_quantity_its_interval(true_claims):
    assert [claim["id"] for claim in true_claims] == [f"C{i}" for i in range(1, 10)]
    for claim in true_claims:
        assert set(claim) == {"id", "tier", "statement", "quantities", "verdict", "shown_in"}
        for quantity in claim["quantities"]:
            assert set(quantity) >= QUANTITY
            assert quantity["ci_low"] <= quantity["ci_high"], quantity["name"]
            assert quantity["n"] > 0
            assert quantity["rule"].startswith("interval ")


def test_the_known_values_of_the_paper_stand_beside_ours(true_claims):
    known = {q["name"]: q["paper"] for claim in true_claims for q in claim["quantities"]}
    assert known["FB after RL(6-9): pass@1 on 6-9 steps, both types"] == 0.957
    assert known["B, inversion, 6-9 steps: pass@1 after RL(6-9) less after SFT"] == 0.571
    assert known["rl.group_size=16: FB less F"] == 0.47
    assert known["rl.group_size=16: FB less B"] == 0.4


def test_what_was_not_measured_is_null_and_inconclusive(tmp_path):
    claims = judge_all({}, tmp_path)
    for claim in claims:
        assert claim["verdict"] == INCONCLUSIVE
        for quantity in claim["quantities"]:
            assert quantity["value"] is None
            assert quantity["note"] == "not measured"


def test_a_missing_model_leaves_its_quantities_unmeasured(full, tmp_path):
    inputs = full["main"]
    frame = inputs.scores.frame
    only = Scores(frame[frame["model"] != "B"], inputs.study.statistics)
    without = replace(inputs, measured=replace(inputs.measured, scores=only))
    claims = judge_all({"main": without}, tmp_path)
    by_name = {q["name"]: q for q in claims[0]["quantities"]}
    gap = by_name["FB less B after RL(6-9): pass@1 on 6-9 steps, both types"]
    assert gap["value"] is None
    assert gap["verdict"] == INCONCLUSIVE
    assert by_name["F after RL(6-9): pass@1 on 6-9 steps, both types"]["value"] is not None


def test_a_learning_rate_far_above_the_default_must_be_worse(tmp_path):
    inputs = make_inputs(FULL, "robustness", World(), per_stratum=48)
    claims = judge_all({"robustness": inputs}, tmp_path)
    (unstable,) = [q for q in claims[8]["quantities"] if "rl.learning_rate=0.002" in q["name"]]
    assert unstable["verdict"] == NOT_REPRODUCED  # the synthetic models do not mind


def test_json_and_markdown_of_the_smoke_tier(smoke, tmp_path):
    claims = judge_all(smoke, tmp_path, "smoke")
    text = json.dumps(claims, allow_nan=False)
    assert {claim["tier"] for claim in json.loads(text)} == {"smoke"}
    assert INCONCLUSIVE in verdicts(claims).values()
    assert "smoke tier: no scientific meaning" in to_markdown(claims, SMOKE.shared, [])
    assert "no scientific meaning" not in to_markdown(claims, FULL.shared, [])


def test_a_damaged_file_is_one_line_and_no_quantities(written, tmp_path):
    def run():
        files = {kind: [str(written[kind])] for kind in ("scores", "training")}
        arguments = {"source": source(FULL, "main", files), "output": tmp_path / "main.json"}
        return run_stage("experiments.main:Main.make_quantities", arguments, tmp_path)

    done = run()
    assert done.returncode == 0, done.stderr
    written["training"].write_bytes(b"PAR1 not much of a table")
    before = (tmp_path / "main.json").stat().st_mtime_ns
    failed = run()
    assert failed.returncode != 0
    assert len(failed.stderr.splitlines()) == 1
    assert str(written["training"]) in failed.stderr
    assert (tmp_path / "main.json").stat().st_mtime_ns == before


def test_program_writes_both_pages(full, tmp_path):
    (tmp_path / "made.json").write_text(json.dumps(MADE_BY))
    main = full["main"]
    parts = main.experiment.claims().parts
    measured = {c: [q.to_json() for q in part.measure(main)] for c, part in parts.items()}
    (tmp_path / "main.json").write_text(json.dumps(measured))
    part = Part(
        "main",
        {claim: list(part.shown_in) for claim, part in parts.items()},
        tmp_path / "main.json",
        tmp_path / "made.json",
    )
    not_run = Part("amplification", {"C7": []})
    composition, longer = Part("composition", {"C8": []}), Part("longer", {"C9": []})
    pages = {"json": tmp_path / "out/claims.json", "markdown": tmp_path / "out/claims.md"}
    everything = to_jsonable_python([part, not_run, composition, longer])
    arguments = {"study": FULL.shared.model_dump(), "parts": everything, **pages}
    done = run_stage("report.claims:make_claims", arguments, tmp_path)
    assert done.returncode == 0, done.stderr
    claims = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert verdicts(claims)["C5"] == REPRODUCED
    assert "| main | c0ffee | sft ab12 |" in (tmp_path / "out" / "claims.md").read_text()
    assert claims[6]["verdict"] == INCONCLUSIVE
