"""Figures and tables drawn anew from recorded results."""

import shutil

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, load_tier
from tests.report.synthetic import SMOKE, World, make_training
from workflow_scripts.common.errors import StudyError
from workflow_scripts.evaluate.curves import make_curves
from workflow_scripts.operate.redraw import Redrawn, redraw
from workflow_scripts.operate.reference import keep_training
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.study import Study

RECORDED = ROOT / "results/reference/laptop"
TABLES = ("table1", "sft", "short_problems")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(Study(load_tier("laptop")))


def test_the_recorded_tables_are_made_anew_with_the_same_numbers(plan, tmp_path):
    for folder in ("scores/main", "sft_validation"):
        shutil.copytree(RECORDED / folder, tmp_path / folder)
    targets = ["table1", "table_sft", "table_short_problems"]
    drawn = list(redraw(plan, targets, tmp_path))
    assert {each.name for each in drawn} == {f"tables/{name}" for name in TABLES}
    assert not any(each.missing for each in drawn)
    for name in TABLES:
        made, recorded = (
            pd.read_csv(folder / f"tables/{name}.csv") for folder in (tmp_path, RECORDED)
        )
        pd.testing.assert_frame_equal(made, recorded)
        for end in ("md", "tex"):
            path = f"tables/{name}.{end}"
            assert (tmp_path / path).read_text() == (RECORDED / path).read_text()


def test_what_was_not_recorded_stays_and_is_named(plan, tmp_path):
    old = tmp_path / "figures/selection.md"
    old.parent.mkdir()
    old.write_text("as it was")
    missing = tmp_path / "training/selection.parquet"
    assert list(redraw(plan, ["fig_selection"], tmp_path)) == [
        Redrawn("figures/selection", missing)
    ]
    assert old.read_text() == "as it was"
    with pytest.raises(StudyError, match="no recorded results of the tier laptop"):
        list(redraw(plan, ["fig_selection"], tmp_path / "absent"))


def test_kept_training_rollouts_give_the_same_curves(tmp_path):
    rollouts = make_training(SMOKE, "main", World())
    rollouts.to_parquet(tmp_path / "all.parquet")
    keep_training(tmp_path / "all.parquet", tmp_path / "kept/main.parquet")
    kept = pd.read_parquet(tmp_path / "kept/main.parquet")
    assert len(kept) < len(rollouts)
    where = {"model": "FB", "stage": "RL(6-9)", "condition": "", "type": "inversion"}
    one, other = (make_curves(each, SMOKE.statistics, **where) for each in (rollouts, kept))
    np.testing.assert_array_equal(one.rollouts, other.rollouts)
