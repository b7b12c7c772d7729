import subprocess
import sys

import pytest

from tests.report.synthetic import EXPERIMENTS, FULL, SMOKE, make_settings
from workflow_scripts.report import products, tables
from workflow_scripts.report.figures import FIGURES


def test_every_product_has_its_program_and_every_program_its_product():
    assert set(products.FIGURES) == set(FIGURES)
    assert set(products.TABLES) - {products.ROBUSTNESS} == set(tables.TABLES)
    assert {p.experiment for p in products.FIGURES.values()} == set(EXPERIMENTS)


def test_robustness_has_a_table_for_each_axis():
    names = set(products.tables(FULL))
    assert {f"robustness-{axis}" for axis in FULL.experiments.robustness.axes} <= names
    assert "robustness" not in names
    assert "robustness-rl.kl_coefficient" in products.tables(SMOKE)


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
