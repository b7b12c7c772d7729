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
from workflow_scripts.plan.study import Study
from workflow_scripts.report import products, tables
from workflow_scripts.report.claims import judge
from workflow_scripts.report.figures import FIGURES
from workflow_scripts.report.inputs import Inputs


def test_every_product_has_its_program_and_every_program_its_product():
    assert set(products.FIGURES) == set(FIGURES)
    assert set(products.TABLES) - {products.ROBUSTNESS} == set(tables.TABLES)
    assert {p.experiment for p in products.FIGURES.values()} == set(EXPERIMENTS)


def test_robustness_has_a_table_for_each_axis():
    names = set(products.tables(FULL))
    assert {f"robustness-{axis}" for axis in FULL.experiments.robustness.axes} <= names
    assert "robustness" not in names
    assert "robustness-rl.kl_coefficient" in products.tables(SMOKE)


def test_selection_grows_with_the_seeds_and_needs_fb():
    figures = products.figures(FULL)
    assert list(figures)[:3] == ["selection-first-1", "selection-first-2", "selection"]
    assert [figures[name].training for name in list(figures)[:3]] == [
        "first-1",
        "first-2",
        "first-3",
    ]
    assert "selection" in products.figures(SMOKE)
    without = make_settings(experiments__main__models=["F", "B"])
    assert not [name for name in products.figures(without) if name.startswith("selection")]


def test_without_scored_checkpoints_the_dynamics_are_drawn_from_training_alone():
    settings = make_settings(rl__scored_steps=[])
    assert products.figures(settings)["dynamics"].evaluations == ()
    inputs = make_inputs(settings, "main", World())
    FIGURES["dynamics"](replace(inputs, scores=None)).draw_without_rendering()


def test_a_product_needs_evaluations_that_its_experiment_has():
    study = Study(FULL)
    for product in (*products.tables(FULL).values(), *products.figures(FULL).values()):
        assert set(product.evaluations) <= set(study.evaluations_of(product.experiment))
        assert not product.training or product.training in study.collections


@pytest.mark.parametrize("name", products.CLAIMED)
def test_claims_have_all_that_they_measure(name):
    """The claims are the same from the files that they name as from everything."""
    product = products.CLAIMED[name]
    inputs = make_inputs(FULL, name, World())
    frame = inputs.scores.frame
    chosen = Scores(frame[frame["evaluation"].isin(product.evaluations)], FULL.statistics)
    named = Inputs(
        FULL,
        chosen,
        inputs.training if product.training else None,
        inputs.sft if product.sft else None,
    )
    assert judge({name: named}, "laptop") == judge({name: inputs}, "laptop")


@pytest.mark.parametrize("kind", [products.tables, products.figures])
def test_disabled_experiments_have_no_products(kind):
    settings = make_settings(experiments__robustness__enabled=False)
    experiments = {product.experiment for product in kind(settings).values()}
    assert experiments == set(EXPERIMENTS) - {"robustness"}


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("workflow_scripts.report.products", ["torch", "matplotlib"]),
        ("workflow_scripts.report.claims", ["torch", "matplotlib"]),
        ("workflow_scripts.report.figures.__main__", ["torch", "matplotlib.pyplot"]),
    ],
)
def test_imports_stay_light(module, forbidden):
    code = f"import sys, {module}; print([m for m in {forbidden} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
