"""Links from numbers of the report to the rollouts behind them."""

from dataclasses import replace

import pytest

from workflow_scripts.report.product_pages import Cells
from workflow_scripts.report.rollout_links import NOTES, RolloutIndex, View
from workflow_scripts.report.rollouts_page import (
    Lineage,
    Rollouts,
    ShownProblem,
    ShownResponse,
    Stage,
)
from workflow_scripts.task.label import Label

RESPONSE = ShownResponse(0, [], True, Label("forward", "direct", True, 0, "none"))


def lineage(experiment: str, model: str, condition: str = "") -> Lineage:
    stages = (Stage("SFT", f"{model}-s0", 0), Stage("RL(6-9)", f"{model}-s0-rl6-9", 300))
    return Lineage(experiment, model, condition, 0, stages)


def index(*lineages: Lineage, parts: int = 1) -> RolloutIndex:
    runs = (stage.run for each in lineages for stage in each.stages)
    titles = {each.experiment: each.experiment for each in lineages}
    problems = [ShownProblem("evaluation", 6, parts, "x1 ?")]
    rollouts = Rollouts(
        "laptop",
        "drawn",
        titles,
        ("steps",),
        lineages,
        problems,
        {run: [RESPONSE] for run in runs},
        "report.html",
    )
    return RolloutIndex("rollouts.html", rollouts)


MAIN = index(lineage("main", "FB"), lineage("main", "F"))
FB = View("main", "FB", "RL(6-9)")


def test_a_view_is_the_fragment_of_an_address():
    assert MAIN.href(FB) == "rollouts.html#experiment=main&model=FB&stage=RL(6-9)"
    view = View("robustness", "FB", condition="rl.learning_rate=5e-05", steps="6-9")
    assert view.fragment == (
        "experiment=robustness&model=FB&condition=rl.learning_rate%3D5e-05&steps=6-9"
    )


@pytest.mark.parametrize(
    ("origin", "name", "views"),
    [
        (
            "main: FB RL(6-9), steps, pass@1",
            "FB after RL(6-9): pass@1 on 6-9 steps, both types",
            [View("main", "FB", "RL(6-9)", steps="6-9")],
        ),
        (
            "main: FB RL(6-9) less F SFT, steps, pass@1",
            "a difference, inversion, 2-5 steps",
            [
                View("main", "FB", "RL(6-9)", type="inversion", steps="2-5"),
                View("main", "F", "SFT", type="inversion", steps="2-5"),
            ],
        ),
        ("main: FB RL(6-9), training rollouts, share of the fitting strategy", "time", []),
        ("main: B RL(6-9), steps, pass@1", "a model without rollouts", []),
        ("longer: FB RL(6-9), longer, pass@1", "an experiment without rollouts", []),
        ("composition: not measured", "the experiment composition", []),
    ],
)
def test_a_quantity_leads_to_the_runs_and_problems_that_it_names(origin, name, views):
    found = MAIN.of_quantity(origin, name)
    assert [link.view for link in found.links] == views
    assert found.note == ""


@pytest.mark.parametrize("evaluation", sorted(NOTES))
def test_a_number_that_is_not_of_these_samples_says_so(evaluation):
    found = MAIN.of_quantity(f"main: FB RL(6-9), {evaluation}, selection at 1.0", "selection")
    assert [link.view for link in found.links] == [FB]
    assert found.note == NOTES[evaluation]


# ~ stands for an interval.
def cells(header: str, *rows: str, title: str = "A table", note: str = "of 6-9 steps") -> Cells:
    split = [tuple(row.replace("~", " [0.4, 0.6]").split("|")) for row in rows]
    return Cells(title, (note,), tuple(header.split("|")), tuple(split), ())


@pytest.mark.parametrize(
    ("table", "views"),
    [
        (
            cells("model|stage|all|inversion", "FB|RL(6-9)|0.5~|0.7~"),
            [None, None, replace(FB, steps="6-9"), replace(FB, steps="6-9", type="inversion")],
        ),
        (
            cells("model|type|steps|SFT", "F|all|7|0.5~", note=""),
            [None, None, None, View("main", "F", "SFT", steps="7")],
        ),
        (
            cells("model|stage|2|6-9", "F|SFT|0.5~|0.5~", note=""),
            [
                None,
                None,
                View("main", "F", "SFT", steps="2"),
                View("main", "F", "SFT", steps="6-9"),
            ],
        ),
        (
            cells(
                "model|x on the fitting type|cross-entropy",
                "F|0.5~|0.1~",
                title="after SFT",
                note="",
            ),
            [None, View("main", "F", "SFT", type="evaluation"), None],
        ),
        (cells("model|stage|all", "F less FB|SFT|0.5~"), [None, None, None]),
        (cells("setting|model|stage|all", "0.05|F|SFT|0.5~"), [None] * 4),
        (cells("measure|model|stage|2", "verified|F|SFT|0.5~"), [None] * 4),
        (cells("model|all", "F|0.5~"), [None, None]),
    ],
)
def test_a_cell_leads_to_rollouts_if_the_words_around_it_say_of_which(table, views):
    assert MAIN.of_cells("main", table) == [views]


def test_numbers_above_columns_count_the_parts_of_compositions():
    compositions = index(lineage("composition", "pairs"), parts=3)
    table = cells("model|stage|3", "pairs|SFT|0.5~", note="")
    assert compositions.of_cells("composition", table)[0][2] == View(
        "composition", "pairs", "SFT", parts="3"
    )


def test_a_cell_that_could_be_of_several_conditions_has_no_link():
    several = index(lineage("longer", "FB", "10"), lineage("longer", "FB", "20"))
    assert several.of_cells("longer", cells("model|stage|all", "FB|SFT|0.5~")) == [[None] * 3]
