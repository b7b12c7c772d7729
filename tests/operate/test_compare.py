"""A finished tier is compared with its reference number by number."""

import json
import math

import pandas as pd
import pytest

from workflow_scripts.operate.compare import (
    DIFFERENT,
    IDENTICAL,
    WITHIN,
    compare,
    read_metrics,
    read_quantities,
    to_page,
)

NUMBERS = ["value", "ci_low", "ci_high"]


def table(rows: dict[str, tuple[float, float, float]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(rows, "index", columns=NUMBERS)


REFERENCE = {"a": (0.5, 0.4, 0.6), "b": (0.9, 0.88, 0.92), "c": (0.1, math.nan, math.nan)}


def outcomes(ours: dict[str, tuple[float, float, float]]) -> dict[str, str]:
    return compare("file", table(ours), table(REFERENCE)).numbers["outcome"].to_dict()


def test_equal_numbers_are_identical_without_an_interval_too():
    assert set(outcomes(REFERENCE).values()) == {IDENTICAL}


@pytest.mark.parametrize(
    "a, expected",
    [
        ((0.5, 0.4, 0.6000001), WITHIN),  # another interval alone
        ((0.55, 0.54, 0.56), WITHIN),  # our value in the reference's interval
        ((0.7, 0.45, 0.95), WITHIN),  # the reference's value in our interval
        ((0.7, 0.55, 0.85), DIFFERENT),  # the intervals overlap, but neither has the other's value
        ((0.7, math.nan, math.nan), DIFFERENT),
        ((math.nan, math.nan, math.nan), DIFFERENT),
    ],
)
def test_a_number_is_within_the_intervals_or_different(a, expected):
    assert outcomes({**REFERENCE, "a": a}) == {"a": expected, "b": IDENTICAL, "c": IDENTICAL}


def test_numbers_of_one_side_alone_are_counted():
    ours = {"a": REFERENCE["a"], "d": (0.0, 0.0, 0.0), "e": (1.0, 1.0, 1.0)}
    compared = compare("file", table(ours), table(REFERENCE))
    assert (len(compared.numbers), compared.n_missing) == (1, 4)


def test_the_page_counts_each_outcome_and_lists_what_is_different():
    ours = {"a": (0.7, 0.65, 0.75), "b": (0.9, 0.87, 0.93), "c": REFERENCE["c"]}
    page = to_page([compare("metrics/main.csv", table(ours), table(REFERENCE))])
    assert "| metrics/main.csv | 1 | 1 | 1 | 0 |" in page
    assert "- a: 0.5 [0.4, 0.6], 0.7 [0.65, 0.75]" in page
    assert "- b" not in page


def test_estimates_and_quantities_are_named_by_what_they_measure(tmp_path):
    metrics = tmp_path / "main.csv"
    metrics.write_text(
        "model,stage,condition,checkpoint,evaluation,type,steps,parts,measure,value,ci_low,ci_high\n"
        "FB,SFT,,0,steps,all,6-9,,pass@1,0.5,0.4,0.6\n"
    )
    assert read_metrics(metrics).index.tolist() == ["FB SFT 0 steps all 6-9 pass@1"]
    quantities = tmp_path / "quantities.json"
    quantity = {"name": "gap", "value": 0.4, "ci_low": None, "ci_high": None}
    quantities.write_text(json.dumps({"C1": [quantity]}))
    read = read_quantities(quantities)
    assert read.index.tolist() == ["C1 gap"]
    assert read["value"].tolist() == [0.4]
    assert read["ci_low"].isna().all()
