import json
import math

import pytest

from tests.conftest import run_stage
from tests.report.synthetic import (
    EXPERIMENTS,
    FULL,
    NO_LEARNING,
    SMOKE,
    World,
    make_inputs,
    make_settings,
)
from workflow_scripts.report import rules
from workflow_scripts.report.claims import judge, to_markdown
from workflow_scripts.report.criteria import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED, Rule, worst

LONG = make_settings(
    rl__steps=300, experiments__robustness__axes={"rl.kl_coefficient": [0.1], "rl.group_size": [16]}
)
MADE_BY = {
    "main": {"workflow_scripts.train.sft": {"code_hash": "ab12", "commits": ["c0ffee"], "n": 9}}
}
QUANTITY = {"name", "value", "ci_low", "ci_high", "n", "paper", "rule", "verdict"}


def judged(world, settings=LONG, **size):
    experiments = {name: make_inputs(settings, name, world, **size) for name in EXPERIMENTS}
    return judge(experiments, settings.tier)


@pytest.fixture(scope="module")
def true_claims():
    # Enough problems that 5 points are clearly more than the intervals' width.
    return judged(World(improved=0.985), per_stratum=96)


@pytest.fixture(scope="module")
def false_claims():
    return judged(NO_LEARNING, per_stratum=24)


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
    assert Rule("", low=0.2, high=0.5).verdict(*ci) == verdict


def test_an_exact_zero_is_no_rise():
    assert rules.RISES.verdict(0.0, 0.0) == NOT_REPRODUCED


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


def test_few_samples_are_inconclusive():
    claims = judged(World(), settings=make_settings(seeds=[0]), per_stratum=2, samples=1)
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
    assert known["rl.group_size=16: FB above the better of F and B"] == 0.4


def test_what_was_not_measured_is_null_and_inconclusive():
    claims = judge({}, "laptop")
    for claim in claims:
        assert claim["verdict"] == INCONCLUSIVE
        for quantity in claim["quantities"]:
            assert quantity["value"] is None
            assert quantity["note"] == "not measured"


def test_a_missing_model_leaves_its_quantities_unmeasured(full):
    inputs = full["main"]
    frame = inputs.scores.frame
    only = type(inputs.scores)(frame[frame["model"] != "B"], inputs.settings.statistics)
    claims = judge({"main": type(inputs)(inputs.settings, only, inputs.training)}, "laptop")
    by_name = {q["name"]: q for q in claims[0]["quantities"]}
    gap = by_name["FB above the better of F and B after RL(6-9), 6-9 steps, both types"]
    assert gap["value"] is None
    assert gap["verdict"] == INCONCLUSIVE
    assert by_name["F after RL(6-9): pass@1 on 6-9 steps, both types"]["value"] is not None


def test_a_learning_rate_far_above_the_default_must_be_worse():
    inputs = make_inputs(FULL, "robustness", World(), per_stratum=48)
    claims = judge({"robustness": inputs}, "laptop")
    (unstable,) = [q for q in claims[8]["quantities"] if "rl.learning_rate=0.003" in q["name"]]
    assert unstable["verdict"] == NOT_REPRODUCED  # the synthetic models do not mind


def test_json_and_markdown_of_the_smoke_tier(smoke):
    claims = judge(smoke, "smoke")
    text = json.dumps(claims, allow_nan=False)
    assert {claim["tier"] for claim in json.loads(text)} == {"smoke"}
    assert INCONCLUSIVE in verdicts(claims).values()
    assert "smoke tier: no scientific meaning" in to_markdown(claims, SMOKE, MADE_BY)
    assert "no scientific meaning" not in to_markdown(claims, FULL, MADE_BY)


def test_program_writes_both_pages_or_nothing(written, tmp_path):
    (tmp_path / "made.json").write_text(json.dumps(MADE_BY["main"]))
    files = {kind: [str(written[kind])] for kind in ("scores", "training")}
    files = {"main": {**files, "provenance": [str(tmp_path / "made.json")]}}

    def run():
        pages = {"json": tmp_path / "out/claims.json", "markdown": tmp_path / "out/claims.md"}
        arguments = {"settings": FULL.model_dump(), "files": files, **pages}
        return run_stage("report.claims:make_claims", arguments, tmp_path)

    done = run()
    assert done.returncode == 0, done.stderr
    claims = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert claims[1]["verdict"] == REPRODUCED
    assert "| main | c0ffee | sft ab12 |" in (tmp_path / "out" / "claims.md").read_text()
    assert claims[6]["verdict"] == INCONCLUSIVE
    written["training"].write_bytes(b"PAR1 not much of a table")
    before = (tmp_path / "out" / "claims.json").stat().st_mtime_ns
    failed = run()
    assert failed.returncode != 0
    assert len(failed.stderr.splitlines()) == 1
    assert str(written["training"]) in failed.stderr
    assert (tmp_path / "out" / "claims.json").stat().st_mtime_ns == before
