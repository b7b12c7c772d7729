import subprocess
import sys
from dataclasses import replace

import pytest

from tests.report.synthetic import (
    EXPERIMENTS,
    FULL,
    SMOKE,
    World,
    make_inputs,
    make_settings,
)
from workflow_scripts.evaluate.metrics import Scores
from workflow_scripts.plan.products import figures, tables, target_name
from workflow_scripts.plan.study import Study
from workflow_scripts.report.claims import STATEMENTS
from workflow_scripts.report.inputs import Measurements

CLAIMED = [name for name, each in Study(FULL).experiments.items() if each.claims()]


def names(products) -> list[str]:
    return list(products)


def test_every_experiment_has_a_figure_and_a_table():
    for products in (figures(Study(FULL)), tables(Study(FULL))):
        assert {experiment.name for experiment, _ in products.values()} == set(EXPERIMENTS)


def test_products_of_experiments_do_not_share_a_name():
    study = Study(FULL)
    for kind in ("tables", "figures"):
        all_names = [
            name
            for each in study.experiments.values()
            for name in getattr(each, kind)(study.settings)
        ]
        assert len(all_names) == len(set(all_names))
        assert len({target_name(kind, name) for name in all_names}) == len(all_names)


def test_robustness_has_a_table_for_each_axis():
    found = names(tables(Study(FULL)))
    axes = Study(FULL).experiments["robustness"].axes
    assert {f"robustness-{axis}" for axis in axes} <= set(found)
    assert "robustness" not in found
    assert "robustness-rl.kl_coefficient" in tables(Study(SMOKE))


def test_selection_is_drawn_of_the_first_seed_too_and_needs_fb():
    found = figures(Study(FULL))
    first = ["selection-first-seed", "selection"]
    assert names(found)[:2] == first
    assert [found[name][1].training for name in first] == ["first-seed", "selection"]
    assert "selection" in figures(Study(SMOKE))
    without = Study(make_settings(experiments__main__models=["F", "B"]))
    assert not [name for name in figures(without) if name.startswith("selection")]


def test_a_product_needs_evaluations_that_its_experiment_has():
    study = Study(FULL)
    for experiment, product in (*tables(study).values(), *figures(study).values()):
        assert set(product.scores) <= set(study.evaluations_of(experiment.name))
        assert not product.training or product.training in study.collections


@pytest.mark.parametrize("name", CLAIMED)
def test_claims_have_all_that_they_measure(name):
    """The quantities are the same from the files that they name as from everything."""
    inputs = make_inputs(FULL, name, World())
    claims = inputs.experiment.claims()
    frame = inputs.scores.frame
    chosen = Scores(frame[frame["evaluation"].isin(claims.scores)], FULL.statistics)
    named = Measurements(
        chosen,
        inputs.training if claims.training else None,
        inputs.sft if claims.sft else None,
    )
    for part in claims.parts.values():
        found = [quantity.to_json() for quantity in part.measure(replace(inputs, measured=named))]
        assert found == [quantity.to_json() for quantity in part.measure(inputs)]


def test_the_experiments_measure_every_claim():
    measured = [each.claims() for each in Study(FULL).experiments.values()]
    claims = {claim for each in measured if each for claim in each.parts}
    assert claims == set(STATEMENTS)


def test_claims_name_products_that_there_are():
    study = Study(FULL)
    made = {f"figures/{name}" for name in figures(study)}
    made |= {f"tables/{name}" for name in tables(study)}
    for experiment in study.experiments.values():
        if claims := experiment.claims():
            for part in claims.parts.values():
                assert set(part.shown_in) <= made


@pytest.mark.parametrize("kind", [tables, figures])
def test_disabled_experiments_have_no_products(kind):
    settings = make_settings(experiments__robustness__enabled=False)
    experiments = {experiment.name for experiment, _ in kind(Study(settings)).values()}
    assert experiments == set(EXPERIMENTS) - {"robustness"}


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("workflow_scripts.plan.plan", ["torch", "matplotlib.pyplot"]),
        ("workflow_scripts.experiments.registry", ["torch", "matplotlib.pyplot"]),
        ("workflow_scripts.report.claims", ["torch", "matplotlib"]),
    ],
)
def test_imports_stay_light(module, forbidden):
    code = f"import sys, {module}; print([m for m in {forbidden} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
