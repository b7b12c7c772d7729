import json
import math
from dataclasses import replace

import numpy as np
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
from workflow_scripts.evaluate.statistics import Design, Scale, mean_over_seeds
from workflow_scripts.plan.study import Study
from workflow_scripts.report.claims import Part, judge, judge_claim, to_markdown
from workflow_scripts.report.criteria import PAPER_GAPS, RISES, Criterion, Verdict
from workflow_scripts.report.quantities import Ask

LONG = make_settings(
    seeds=[0, 1, 2, 3, 4],  # with three, intervals of differences are about as wide as 5 points
    rl__steps=300,
    rl__scored_steps=[10, 20, 100],
    experiments__robustness__axes={"rl.kl_coefficient": [0.1], "rl.group_size": [16]},
    experiments__robustness__n_seeds_of_single_strategies=1,
)
REPRODUCED, INCONCLUSIVE, NOT_REPRODUCED = (
    Verdict.REPRODUCED,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_REPRODUCED,
)
MADE_BY = {"workflow_scripts.train.sft": {"code_hash": "ab12", "commits": ["c0ffee"], "n": 9}}
CLAIM = {
    "id": str,
    "tier": str,
    "statement": str,
    "verdict": str,
    "n_primary": int,
    "n_reproduced": int,
    "verdict_of_worst": str,
    "quantities": list,
    "shown_in": list,
}
NUMBER = float | int | None  # as JSON has it
QUANTITY = {
    "name": str,
    "primary": bool,
    "value": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "n": int,
    "n_seeds": int,
    "n_samples": int,
    "se_seeds": NUMBER,
    "se_problems": NUMBER,
    "paper": NUMBER,
    "baseline": str,
    "origin": str,
    "rule": str,
    "p_outside": float | int,
    "flips_at": NUMBER,
    "seeds_to_decide": int | None,
    "verdict": str,
    "note": str,
}


def judge_all(experiments, folder, settings=LONG):
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
    return judge(parts, settings.shared)


def judged(world, folder, settings=LONG, **size):
    experiments = {name: make_inputs(settings, name, world, **size) for name in EXPERIMENTS}
    return judge_all(experiments, folder, settings)


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


def test_numbers_without_bounds_are_context():
    assert Criterion("no rule").judge(0.1, 0.2) == Verdict.CONTEXT
    assert Criterion("no rule").judge(math.nan, math.nan) == Verdict.CONTEXT


@pytest.mark.parametrize(
    ("ci", "flips_at"),
    [
        ((0.3, 0.4), 0.3),  # within: the lower bound would have to rise to 0.3
        ((0.4, 0.48), 0.48),
        ((0.6, 0.7), 0.6),  # outside
        ((0.05, 0.1), 0.1),
        ((0.18, 0.49), 0.18),  # contains 0.2, which is nearer to 0.18 than 0.5 is to 0.49
        ((0.1, 0.22), 0.22),  # contains 0.2: the verdict would be "outside" at 0.22
        ((0.1, 0.49), 0.1),  # the bound 0.5 is nearest to an end, but does not decide
        ((0.1, 0.6), None),  # contains both
        ((math.nan, math.nan), None),
    ],
)
def test_a_verdict_flips_at_the_end_of_the_interval_next_to_the_bound(ci, flips_at):
    criterion = Criterion("", low=0.2, high=0.5)
    assert criterion.flips_at(*ci) == flips_at
    if flips_at is not None:
        bound = min(criterion.bounds, key=lambda bound: abs(bound - flips_at))
        key, verdicts = ("low" if bound == 0.2 else "high"), set()
        for moved in (flips_at - 1e-9, flips_at + 1e-9):
            verdicts.add(replace(criterion, **{key: moved}).judge(*ci))
        assert len(verdicts) == 2


def test_a_quantity_without_bounds_never_flips():
    assert Criterion("no rule").flips_at(0.1, 0.2) is None


# ---- from quantities to claims -----------------------------------------------------------------


def quantity(verdict, p=1.0, primary=True) -> dict:
    return {"verdict": verdict, "p_outside": p, "primary": primary, "note": ""}


@pytest.mark.parametrize(
    ("found", "verdict", "n_reproduced"),
    [
        ([REPRODUCED, REPRODUCED], REPRODUCED, 2),
        ([REPRODUCED, INCONCLUSIVE], INCONCLUSIVE, 1),
        ([REPRODUCED, INCONCLUSIVE, NOT_REPRODUCED], NOT_REPRODUCED, 1),
    ],
)
def test_primary_quantities_decide_a_claim(found, verdict, n_reproduced):
    quantities = [quantity(each, 0.001 if each == NOT_REPRODUCED else 1.0) for each in found]
    judged = judge_claim(quantities, 0.05)
    assert judged["verdict"] == verdict
    assert (judged["n_reproduced"], judged["n_primary"]) == (n_reproduced, len(found))


def test_supporting_quantities_do_not_decide():
    supporting = quantity(NOT_REPRODUCED, 0.0001, primary=False)
    judged = judge_claim([quantity(REPRODUCED), supporting], 0.05)
    assert judged["verdict"] == REPRODUCED
    assert judged["n_primary"] == 1
    assert judged["quantities"][1] == supporting
    assert judged["verdict_of_worst"] == NOT_REPRODUCED


def test_one_of_many_quantities_is_outside_only_by_holms_method():
    """0.03 is below 0.05, but not below 0.05 / 2. A third quantity at 0.001 is outside anyway."""
    by_chance = quantity(NOT_REPRODUCED, 0.03)
    assert judge_claim([by_chance], 0.05)["verdict"] == NOT_REPRODUCED
    two = judge_claim([by_chance, quantity(REPRODUCED)], 0.05)
    assert two["verdict"] == INCONCLUSIVE
    assert two["quantities"][0]["verdict"] == INCONCLUSIVE
    assert "not by Holm's method" in two["quantities"][0]["note"]
    sure = quantity(NOT_REPRODUCED, 0.001)
    three = judge_claim([by_chance, quantity(REPRODUCED), sure], 0.05)
    assert [each["verdict"] for each in three["quantities"]] == [
        INCONCLUSIVE,
        REPRODUCED,
        NOT_REPRODUCED,
    ]
    supporting = quantity(REPRODUCED, primary=False)
    assert judge_claim([by_chance, supporting], 0.05)["verdict"] == NOT_REPRODUCED


def of_seeds(values, criterion) -> dict:
    design = Design("FB", tuple(range(len(values))))
    statistic = mean_over_seeds(np.array(values), design, 100)
    ask = Ask("a number", criterion)
    return ask.of(statistic, Scale.LINEAR, 0.95, "chance 0.091", "FB SFT").to_json()


def test_a_quantity_says_how_many_seeds_would_decide_if_it_is_inconclusive():
    open_one = of_seeds([0.5, 0.6, 0.7], Criterion("", low=0.5))
    assert open_one["verdict"] == INCONCLUSIVE
    assert open_one["seeds_to_decide"] == 7
    assert open_one["note"] == "7 seeds would decide"
    decided = of_seeds([0.5, 0.6, 0.7], Criterion("", low=0.2))
    assert (decided["verdict"], decided["seeds_to_decide"], decided["note"]) == (
        REPRODUCED,
        None,
        "",
    )
    outside = of_seeds([0.5, 0.6, 0.7], Criterion("", low=0.9))
    assert outside["verdict"] == NOT_REPRODUCED
    assert outside["p_outside"] < 0.05
    assert open_one["p_outside"] == decided["p_outside"] == 1


# ---- the paper's claims, in synthetic worlds ---------------------------------------------------


def verdicts(claims):
    return {claim["id"]: claim["verdict"] for claim in claims}


def test_the_papers_effects_are_reproduced(true_claims):
    assert verdicts(true_claims) == {f"C{i}": REPRODUCED for i in range(1, 10)}
    for claim in true_claims:
        assert claim["n_reproduced"] == claim["n_primary"] > 0


def test_supporting_quantities_have_verdicts_of_their_own(true_claims):
    """The synthetic models start below the paper's 80 %, which does not decide C1."""
    start = {q["name"]: q for q in true_claims[0]["quantities"] if not q["primary"]}
    assert start["F after SFT: pass@1 on 2-5 steps, both types"]["verdict"] == NOT_REPRODUCED


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


def test_every_claim_and_quantity_has_the_fields_of_the_schema(true_claims, false_claims):
    for claims in (true_claims, false_claims):
        read = json.loads(json.dumps(claims, allow_nan=False))
        assert [claim["id"] for claim in read] == [f"C{i}" for i in range(1, 10)]
        for claim in read:
            assert set(claim) == set(CLAIM)
            assert all(isinstance(claim[key], kind) for key, kind in CLAIM.items())
            for quantity in claim["quantities"]:
                assert set(quantity) == set(QUANTITY)
                for key, kind in QUANTITY.items():
                    assert isinstance(quantity[key], kind), (quantity["name"], key)


def test_no_quantity_lacks_interval_n_rule_baseline_or_origin(true_claims, full):
    """In all experiments; `full` has more axes of robustness."""
    measured = [(claim["id"], q) for claim in true_claims for q in claim["quantities"]]
    parts = full["robustness"].experiment.claims().parts
    measured += [("axes", q.to_json()) for q in parts["C9"].measure(full["robustness"])]
    names = [(claim, quantity["name"]) for claim, quantity in measured]
    assert len(set(names)) == len(names)
    for _, quantity in measured:
        assert quantity["ci_low"] <= quantity["value"] <= quantity["ci_high"], quantity["name"]
        assert quantity["n"] > 0
        assert quantity["n_seeds"] > 0
        if quantity["verdict"] == Verdict.CONTEXT:
            assert quantity["rule"].startswith("no rule: ")
            assert not quantity["primary"]
        else:
            assert quantity["rule"].startswith("interval ")
            assert quantity["flips_at"] in (quantity["ci_low"], quantity["ci_high"])
        for key in ("baseline", "origin"):
            assert quantity[key]
            assert "not measured" not in quantity[key], quantity["name"]


def test_origins_follow_from_the_runs(true_claims):
    origins = {q["name"]: q["origin"] for claim in true_claims for q in claim["quantities"]}
    assert origins["FB, both types, 6-9 steps: execution, RL(6-9) less SFT"] == (
        "main: FB RL(6-9) less FB SFT, exact, execution at 1.0"
    )
    assert origins["GF(13): FB less F after RL(6-9), pass@1 on 6-9 steps, both types"] == (
        "field13: FB RL(6-9) less F RL(6-9), steps, pass@1"
    )


def test_changes_have_the_value_before_as_their_baseline(true_claims):
    by_name = {q["name"]: q for claim in true_claims for q in claim["quantities"]}
    rise = by_name["F, evaluation, 6-9 steps: execution, RL(6-9) less SFT"]
    model, before = rise["baseline"].split(": ")
    assert model == "F SFT"
    assert float(before) == pytest.approx(0.52, abs=0.02)
    assert rise["value"] + float(before) == pytest.approx(0.98, abs=0.01)


def test_the_known_values_of_the_paper_stand_beside_ours(true_claims):
    known = {q["name"]: q["paper"] for claim in true_claims for q in claim["quantities"]}
    of_both_types = (0.941 + 0.971) / 2
    assert known["FB after RL(6-9): pass@1 on 6-9 steps, both types"] == of_both_types
    assert known["B, inversion, 6-9 steps: pass@1, RL(6-9) less SFT"] == 0.571
    gap = "rl.group_size=16: FB less {} after RL(6-9), pass@1 on 6-9 steps, both types"
    assert known[gap.format("F")] == 0.47
    assert known[gap.format("B")] == 0.4


def test_the_papers_gaps_weigh_both_types_equally():
    assert PAPER_GAPS == {"F": 0.4045, "B": 0.418}


def test_what_was_not_measured_is_null_and_inconclusive(tmp_path):
    claims = judge_all({}, tmp_path)
    for claim in claims:
        assert claim["verdict"] == INCONCLUSIVE
        assert claim["n_reproduced"] == 0
        for quantity in claim["quantities"]:
            assert quantity["value"] is None
            assert quantity["note"] == quantity["baseline"] == "not measured"
            assert quantity["origin"].endswith(": not measured")


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


def primary_of(inputs, claim) -> dict[str, bool]:
    found = inputs.experiment.claims().parts[claim].measure(inputs)
    return {quantity.name: quantity.primary for quantity in found}


def test_a_learning_rate_far_above_the_default_must_be_worse(tmp_path):
    inputs = make_inputs(FULL, "robustness", World(), per_stratum=48)
    claims = judge_all({"robustness": inputs}, tmp_path)
    by_rate = {
        rate: q
        for rate in ("0.0005", "0.002")
        for q in claims[8]["quantities"]
        if q["name"].startswith(f"rl.learning_rate={rate}: ")
    }
    assert {q["verdict"] for q in by_rate.values()} == {NOT_REPRODUCED}  # these models do not mind
    assert by_rate["0.0005"]["primary"]  # 5 times the default, as in the paper
    assert not by_rate["0.002"]["primary"]


def test_values_of_rl_that_the_paper_reports_are_primary():
    settings = make_settings(experiments__robustness__axes={"rl.group_size": [4, 16, 32]})
    primary = primary_of(make_inputs(settings, "robustness", World()), "C9")
    level = "rl.group_size={}: FB after RL(6-9), pass@1 on 6-9 steps, both types"
    assert [primary[level.format(size)] for size in (4, 16, 32)] == [False, True, False]


def test_early_shares_of_forward_are_those_of_the_training_rollouts(full):
    inputs = full["amplification"]
    found = {q.name: q for q in inputs.experiment.claims().parts["C7"].measure(inputs)}
    rollouts = inputs.training
    chosen = (rollouts["condition"] == "90") & rollouts["step"].between(10, 20)

    def share(rows) -> float:
        return rows.loc[rows["direction"] == "forward", "n"].sum() / rows["n"].sum()

    early = found["RL prompts with 90% evaluation, RL steps 10-20: share of forward"]
    assert early.estimate.value == pytest.approx(share(rollouts[chosen]))
    assert not early.primary
    on_inversion = rollouts["type"] == "inversion"
    first = rollouts[on_inversion & (rollouts["step"] == 1)]
    change = found[f"{early.name} on inversion, less at step 1"]
    expected = share(rollouts[chosen & on_inversion]) - share(first)
    assert change.estimate.value == pytest.approx(expected)
    assert change.baseline == f"at step 1 of all mixes: {share(first):.3f}"
    assert change.verdict == REPRODUCED


@pytest.mark.parametrize(("n_seeds", "is_primary"), [(0, None), (1, False), (3, True)])
def test_gaps_to_a_single_run_of_f_and_b_are_supporting(n_seeds, is_primary):
    settings = make_settings(
        experiments__robustness__axes={"rl.group_size": [16]},
        experiments__robustness__n_seeds_of_single_strategies=n_seeds,
    )
    primary = primary_of(make_inputs(settings, "robustness", World()), "C9")
    name = "rl.group_size=16: {} after RL(6-9), pass@1 on 6-9 steps, both types"
    assert primary.get(name.format("FB less F")) == is_primary
    assert primary[name.format("FB")]


def test_json_and_markdown_of_the_smoke_tier(smoke, tmp_path):
    claims = judge_all(smoke, tmp_path, SMOKE)
    text = json.dumps(claims, allow_nan=False)
    assert {claim["tier"] for claim in json.loads(text)} == {"smoke"}
    assert INCONCLUSIVE in verdicts(claims).values()
    assert "smoke tier: no scientific meaning" in to_markdown(claims, SMOKE.shared, [])
    assert "no scientific meaning" not in to_markdown(claims, FULL.shared, [])


def test_the_page_tells_how_many_quantities_are_reproduced_and_names_the_others(false_claims):
    page = to_markdown(false_claims, LONG.shared, [])
    claim = false_claims[0]
    assert f"## C1: not reproduced, {claim['n_reproduced']} of {claim['n_primary']} repro" in page
    assert "- not reproduced: FB after RL(6-9): pass@1 on 6-9 steps, both types" in page
    rows = [line for line in page.splitlines() if line.startswith("| FB after RL(6-9): pass@1")]
    (cells,) = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    assert len(cells) == 10
    assert float(cells[6]) < 0.05
    assert cells[8] == "not reproduced"
    assert cells[9] == "main: FB RL(6-9), steps, pass@1"
    assert page.index("Primary:") < page.index("Supporting:")


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
    assert verdicts(claims)["C4"] == REPRODUCED
    assert "| main | c0ffee | sft ab12 |" in (tmp_path / "out" / "claims.md").read_text()
    assert claims[6]["verdict"] == INCONCLUSIVE
