"""The computations behind the figures of exact measures, of mistakes and of selection in theory."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.report.synthetic import FULL, World, make_mistakes, make_scores, source
from workflow_scripts.evaluate.curves import Curves
from workflow_scripts.evaluate.metrics import MISTAKE_COLUMNS, Scores, Subset
from workflow_scripts.evaluate.statistics import Design, Scale
from workflow_scripts.evaluate.theory import POLICY_GRADIENT, REPLICATOR, Selection, predict
from workflow_scripts.experiments import theory
from workflow_scripts.experiments.main import mechanisms, short_problems
from workflow_scripts.experiments.main.mistakes import hazard
from workflow_scripts.plan.products import figures, products, tables
from workflow_scripts.plan.study import Study
from workflow_scripts.report import style
from workflow_scripts.report.inputs import Files, Measurements
from workflow_scripts.settings.values import Range

# ---- mistakes ----------------------------------------------------------------------------------


def mistakes(*rows: tuple[int, int, int, int]) -> pd.DataFrame:
    """Rows are (seed, steps, wrong_line, n)."""
    frame = pd.DataFrame(rows, columns=["seed", "steps", "wrong_line", "n"])
    return frame.assign(family="FB")


def test_hazard_is_the_share_that_fails_at_a_line_among_those_that_reach_it():
    # Of 10 responses to problems of 2 steps, 4 fail at line 1, 3 of the other 6 at line 2, and 1 of
    # the last 3 after both lines. Of 10 to problems of 3 steps, 5 fail at line 3.
    counts = mistakes((0, 2, 1, 4), (0, 2, 2, 3), (0, 2, 3, 1), (0, 2, 0, 2))
    assert hazard(counts, Range(low=2, high=2)).value == pytest.approx([4 / 10, 3 / 6, 1 / 3])
    longer = mistakes((0, 3, 3, 5), (0, 3, 0, 5))
    both = hazard(pd.concat([counts, longer]), Range(low=2, high=3))
    # No response to a problem of 2 steps counts at line 3: its solution has no such line.
    assert both.value == pytest.approx([4 / 20, 3 / 16, 5 / 10, 1 / 8])


def test_hazard_leaves_out_other_lengths_and_is_undefined_where_no_response_comes():
    counts = mistakes((0, 2, 1, 4), (0, 5, 1, 9))
    value = hazard(counts, Range(low=2, high=2)).value
    assert value[0] == 1
    assert np.isnan(value[1:]).all()


def test_hazard_varies_over_seeds_and_a_seed_without_mistakes_counts():
    counts = mistakes((0, 2, 1, 5), (0, 2, 0, 5), (1, 2, 0, 10))
    estimate = hazard(counts, Range(low=2, high=2)).estimates(Scale.LOGIT, 0.95)[0]
    assert (estimate.value, estimate.n_seeds) == (0.25, 2)
    assert estimate.ci_low < 0.25 < estimate.ci_high


def test_hazards_of_all_lines_give_the_share_of_verified_responses(full):
    """Only for problems of one length is verified the product of all that does not happen."""
    inputs = full["main"]
    counts = inputs.mistakes
    chosen = counts[
        (counts["model"] == "F")
        & (counts["stage"] == "SFT")
        & (counts["evaluation"] == "steps")
        & (counts["type"] == "evaluation")
    ]
    length = Range(low=7, high=7)
    group = inputs.scores.group("F", "SFT")
    verified = group.estimate("verified_given_fitting", Subset("evaluation", length)).value
    survival = np.prod(1 - hazard(chosen, length).value)
    assert survival == pytest.approx(verified)


def test_every_kind_of_mistake_has_its_own_style():
    columns = [f"mistake_{kind.replace(' ', '_')}" for kind in style.MISTAKES]
    assert columns == MISTAKE_COLUMNS
    assert len(set(style.MISTAKES.values())) == len(columns)


def test_products_read_the_file_of_mistakes_if_they_ask_for_it(tmp_path):
    jobs = {job.name: job for job in products(Study(FULL))}
    assert jobs["figures/mistakes"].inputs["mistakes"] == ["results/laptop/mistakes/main.parquet"]
    assert "mistakes" not in jobs["figures/routing"].inputs
    frame = make_mistakes(make_scores(FULL, "longer", World(), per_stratum=1, samples=2))
    frame.to_parquet(tmp_path / "mistakes.parquet")
    files = Files(mistakes=[tmp_path / "mistakes.parquet"])
    read = Measurements.read(files, FULL.statistics)
    assert read.mistakes is not None
    assert read.mistakes["n"].sum() == frame["n"].sum()
    assert source(FULL, "main", {"mistakes": [tmp_path / "m.parquet"]})["files"]["mistakes"]


def test_too_many_lines_are_a_share_of_the_responses_with_a_mistake(full):
    frame = full["main"].scores.frame.copy()
    lookups, moved = frame["mistake_lookup"], frame["mistake_lookup"] // 2
    frame["mistake_lookup"], frame["mistake_too_many_lines"] = lookups - moved, moved
    inputs = replace(
        full["main"],
        measured=replace(full["main"].measured, scores=Scores(frame, FULL.statistics)),
    )
    table = short_problems.table(inputs).frame.set_index(["measure", "model", "stage", "steps"])
    row = table.loc[(f"{short_problems.TOO_MANY} / mistakes", "F", "SFT", "2-5")]
    chosen = frame[
        (frame["model"] == "F")
        & (frame["stage"] == "SFT")
        & (frame["evaluation"] == "steps")
        & (frame["type"] == "evaluation")
        & (frame["steps"] <= 5)
    ]
    wrong = (chosen["fitting"] - chosen["verified"]).sum()
    assert row["value"] == pytest.approx(chosen["mistake_too_many_lines"].sum() / wrong)


# ---- mechanisms --------------------------------------------------------------------------------


def test_the_trajectory_of_fb_leads_from_sft_over_its_checkpoints_to_the_final_model(full):
    models = mechanisms.trajectory(full["main"], "RL(6-9)")
    assert list(models) == [0, *FULL.rl.scored_steps, FULL.rl.steps]
    on = Subset(steps=Range(low=9, high=9))
    for measure in ("selection at 1.0", "execution at 1.0"):
        values = [model.estimate(measure, on).value for model in models.values()]
        assert values == sorted(values), "known effects: see synthetic.World"
        assert values[-1] > values[0] + 0.3


# ---- theory ------------------------------------------------------------------------------------


def curves_of(selection: Selection, n_seeds: int = 2) -> Curves:
    """Rollouts without noise, the same for each seed."""
    fits, rights = selection.share, (selection.right_other, selection.right)
    cells = np.zeros((n_seeds, len(fits), 2, 2))
    for fit, share in enumerate((1 - fits, fits)):
        cells[:, :, fit, 1] = 64 * share * rights[fit]
        cells[:, :, fit, 0] = 64 * share * (1 - rights[fit])
    steps, design = np.arange(1, len(fits) + 1), Design("FB", tuple(range(n_seeds)))
    return Curves(steps, cells, design, 0.95)


def selection_from(share: float, n: int = 80) -> Selection:
    """Selection that follows the policy gradient with the constant 0.4."""
    start = Selection(np.full(n, 1e6), np.full(n, share), np.full(n, 0.8), np.full(n, 0.1))
    return replace(start, share=predict(start, POLICY_GRADIENT, 0.4, 8))


def test_the_constant_is_fitted_to_fb_alone():
    of_fb = {(theory.FB, type): curves_of(selection_from(0.4)) for type in ("a", "b")}
    odd = {(0.1, "a"): curves_of(selection_from(0.9))}
    constants = theory.fit_to_fb(of_fb | odd, 8)
    assert constants == theory.fit_to_fb(of_fb, 8)
    assert constants[POLICY_GRADIENT] == pytest.approx(0.4, rel=0.1)
    assert set(constants) == {REPLICATOR, POLICY_GRADIENT}
    assert theory.fit_to_fb(odd, 8) == {}


def test_only_mixes_with_both_strategies_are_drawn_and_without_one_there_is_no_figure():
    assert theory.mixes([1.0, 0.9, 0.0, 0.1]) == [0.1, 0.9]
    diversity = Study(FULL).experiments["diversity"]
    assert "theory" in diversity.figures(FULL.shared)
    alone = diversity.model_copy(update={"backward_shares": [0.0, 1.0]})
    assert list(alone.figures(FULL.shared)) == ["diversity"]


@pytest.mark.parametrize("n", [1, 2, 30, 400])
def test_blocks_hold_every_step_once_and_grow(n):
    blocks = theory.blocks(n)
    steps = [step for block in blocks for step in range(n)[block]]
    assert steps == list(range(n))
    lengths = [block.stop - block.start for block in blocks[:-1]]
    assert lengths == sorted(lengths)


def test_measured_shares_are_those_of_the_rollouts_and_never_0_or_1():
    selection = selection_from(0.4)
    found = theory.measured_shares(curves_of(selection), 0.95)
    assert found.band[0][0] == pytest.approx(selection.share[0], abs=0.01)
    assert found.steps[0] == 1
    everything = replace(selection, share=np.ones(80))
    value = theory.measured_shares(curves_of(everything), 0.95).band[0]
    assert ((value > 0.99) & (value < 1)).all()


def test_theory_draws_no_prediction_without_fb(full):
    inputs = full["diversity"]
    without = replace(
        inputs, experiment=inputs.experiment.model_copy(update={"backward_shares": [0.1, 0.9]})
    )
    labels = {t.get_text() for t in theory.draw(without).figure.legends[0].get_texts()}
    assert labels == {"measured"}


# ---- readings ----------------------------------------------------------------------------------


def test_readings_are_one_paragraph_without_measured_numbers():
    for _, product in (*figures(Study(FULL)).values(), *tables(Study(FULL)).values()):
        assert "\n" not in product.reading
        assert not any(character == "%" for character in product.reading)


def test_the_caption_page_has_caption_reading_and_what_was_drawn(full):
    experiment, product = figures(Study(FULL))["sharpening"]
    inputs = full[experiment.name]
    page = style.caption_page(product.make(inputs), "A caption", "How to read it.", inputs)
    first, second, *notes = page.strip().split("\n\n")
    assert (first, second) == ("# A caption", "How to read it.")
    assert notes[0] == "laptop tier  ·  95 % t intervals  ·  drawn for a page of 6.75 in"
    assert notes[1].startswith("validation, 6-9 steps, exact")
