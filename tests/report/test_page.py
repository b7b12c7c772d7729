import math
import re
import xml.etree.ElementTree as ET

import pytest

from workflow_scripts.common.errors import StudyError
from workflow_scripts.evaluate.statistics import Estimate
from workflow_scripts.report.claims import judge_claim
from workflow_scripts.report.criteria import GAIN, NEAR_PERFECT, NO_CHANGE, NOT_ACQUIRED, Criterion
from workflow_scripts.report.interval_plot import (
    HEIGHT,
    WIDTH,
    Shown,
    bounds_of,
    describe,
    interval_plot,
)
from workflow_scripts.report.page import Picture, brief, embed, parse_claims, pieces
from workflow_scripts.report.product_pages import read_caption, read_cells
from workflow_scripts.report.quantities import Quantity


@pytest.mark.parametrize(
    "criterion",
    [GAIN, NEAR_PERFECT, NO_CHANGE, NOT_ACQUIRED, Criterion("no rule"), Criterion("above 3: no")],
)
def test_the_bounds_of_a_rule_are_read_from_its_text(criterion):
    assert bounds_of(str(criterion)) == pytest.approx((criterion.low, criterion.high), rel=1e-3)


def places(svg: str) -> dict[str, ET.Element]:
    return {part.get("class"): part for part in ET.fromstring(svg)}


def ends(svg: str) -> tuple[float, float]:
    """The pixels at which the interval begins and ends."""
    low, high = re.match(r"M(\S+) \S+H([\d.]+)M", places(svg)["range"].get("d")).groups()
    return float(low), float(high)


SHOWN = Shown(0.6, 0.5, 0.75, low=0.4, high=0.9, paper=0.7)


def test_the_plot_shows_the_interval_within_the_zone_of_the_rule():
    svg = interval_plot(SHOWN)
    zone, ours = places(svg)["allowed"], float(places(svg)["ours"].get("cx"))
    left = float(zone.get("x"))
    right = left + float(zone.get("width"))
    low, high = ends(svg)
    assert 0 < left < low < ours < high < right < WIDTH
    assert (ours - left) / (right - left) == pytest.approx((0.6 - 0.4) / (0.9 - 0.4), abs=0.01)
    assert [text.text for text in ET.fromstring(svg).findall("text")] == ["0.4", "0.9"]


def test_an_interval_outside_of_the_zone_is_drawn_outside():
    svg = interval_plot(Shown(0.2, 0.1, 0.3, low=0.9))
    assert ends(svg)[1] < float(places(svg)["allowed"].get("x"))


def test_a_zone_without_a_bound_goes_to_the_edge():
    zone = places(interval_plot(Shown(0.2, 0.1, 0.3, high=0.05)))["allowed"]
    assert float(zone.get("x")) == 0
    zone = places(interval_plot(Shown(0.2, 0.1, 0.3, low=0.05)))["allowed"]
    assert float(zone.get("x")) + float(zone.get("width")) == WIDTH


@pytest.mark.parametrize(
    ("shown", "parts"),
    [
        (Shown(0.5, math.nan, math.nan), {"ours"}),
        (Shown(0.0, 0.0, 0.0), {"ours", "range"}),
        (Shown(1e4, 1e3, 1e5, paper=0.0), {"ours", "range", "paper"}),
        (SHOWN, {"allowed", "bound", "tick", "ours", "range", "paper"}),
    ],
)
def test_only_what_there_is_is_drawn_and_inside_the_picture(shown, parts):
    svg = interval_plot(shown)
    assert set(places(svg)) == parts
    for part in ET.fromstring(svg):
        for name, most in (("x", WIDTH), ("x1", WIDTH), ("cx", WIDTH), ("y", HEIGHT)):
            assert 0 <= float(part.get(name, 0)) <= most


def test_there_is_no_plot_without_a_value():
    assert interval_plot(Shown(math.nan, math.nan, math.nan, low=0.1)) == ""


def test_the_plot_is_told_in_words():
    assert describe(SHOWN) == (
        "Ours 0.6, interval 0.5 to 0.75; rule: above 0.4 and below 0.9; the paper 0.7"
    )
    assert describe(Shown(0.5, math.nan, math.nan)) == "Ours 0.5; no rule"
    assert f'aria-label="{describe(SHOWN)}"' in interval_plot(SHOWN)


def test_captions_and_tables_are_read_from_their_pages():
    caption = read_caption("# Selection\n\nLook here.\n\nsmoke tier\n\n2 seeds\n")
    assert caption.title == "Selection"
    assert caption.paragraphs == ("Look here.", "smoke tier", "2 seeds")
    table = "| model | all |\n|:--|:--|\n| F | 0.5 |\n| B |  |\n"
    cells = read_cells(f"# Table\n\nnote one\nnote two\n\n{table}\nRead it.\n")
    assert (cells.title, cells.above, cells.below) == (
        "Table",
        ("note one", "note two"),
        ("Read it.",),
    )
    assert (cells.header, cells.rows) == (("model", "all"), (("F", "0.5"), ("B", "")))


def test_a_page_without_cells_has_none():
    cells = read_cells("# Table\n\nnote\n")
    assert (cells.above, cells.header, cells.rows, cells.below) == (("note",), (), (), ())


def test_the_largest_drawings_become_photographs_until_all_fit():
    pictures = {
        "small": Picture(b"s" * 30, b"p" * 3000),
        "large": Picture(b"s" * 3000, b"p" * 30),
        "middle": Picture(b"s" * 300, b"p" * 30),
    }
    kinds = {name: uri.partition(";")[0] for name, uri in embed(pictures, 600).items()}
    assert kinds == {
        "small": "data:image/svg+xml",
        "large": "data:image/png",
        "middle": "data:image/svg+xml",
    }
    assert sum(map(len, embed(pictures, 300).values())) <= 300
    assert all("svg" in uri for uri in embed(pictures, 10_000).values())


def test_claims_of_another_version_are_refused():
    old = [{"id": "C1", "statement": "s", "verdict": "reproduced", "quantities": []}]
    with pytest.raises(StudyError, match=r"claims\.json has the format of another version"):
        parse_claims(old, "results/reference/laptop/claims.json")


def claim(*values: float | None) -> dict:
    """A claim with a primary quantity for each value. The rule asks for more than 0.5."""
    rule = Criterion("rule", low=0.5)
    quantities = [Quantity(f"not measured {place}", rule) for place in range(len(values))]
    for place, value in enumerate(values):
        if value is not None:
            estimate = Estimate(value, value - 0.1, value + 0.1, 64, 3, 4, 0.01, 0.01)
            quantities[place] = Quantity(f"value {value}", rule, estimate=estimate)
    judged = judge_claim([quantity.to_json() for quantity in quantities], 0.05)
    return {"id": "C1", "statement": "s", "shown_in": [], **judged}


@pytest.mark.parametrize(
    ("values", "outcome", "headlines"),
    [
        ((0.9, 0.8), "reproduced", ["value 0.9"]),
        ((0.9, 0.55, 0.45), "inconclusive", ["value 0.9", "value 0.55"]),
        ((0.45, 0.9), "inconclusive", ["value 0.45"]),
        ((None, 0.9), "inconclusive", ["not measured 0"]),
        ((None, None), "not measured", ["not measured 0"]),
    ],
)
def test_a_claim_is_told_by_its_first_quantity_and_by_the_one_that_decides(
    values, outcome, headlines
):
    (read,) = parse_claims([claim(*values)], "claims.json")
    assert read.outcome == outcome
    assert [quantity.name for quantity in read.headlines] == headlines


def test_a_line_breaks_between_the_parts_of_an_estimate_alone():
    assert pieces("0.957 [0.950, 0.963] (paper 0.960)") == [
        "0.957",
        "[0.950, 0.963]",
        "(paper 0.960)",
    ]
    assert pieces("-0.083 [-0.101, -0.065]") == ["-0.083", "[-0.101, -0.065]"]
    assert pieces("RL(2-5)") == ["RL(2-5)"]
    assert pieces("not measured") == ["not measured"]


def test_a_long_list_of_values_is_cut_short():
    assert brief(list(range(10, 300, 10))) == "[10, 20, … 290] (29 values)"
    assert (brief([1, 2]), brief(0.1)) == ("[1, 2]", "0.1")
