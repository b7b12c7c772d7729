import numpy as np
import pandas as pd
import pytest

from tests.conftest import run_stage
from tests.report.synthetic import FULL, SMOKE, source
from workflow_scripts.plan.products import tables
from workflow_scripts.plan.study import Study
from workflow_scripts.report.tables import Table, to_markdown

PRODUCTS = {"full": tables(Study(FULL)), "smoke": tables(Study(SMOKE))}
TABLES = [(which, name) for which, products in PRODUCTS.items() for name in products]
COLUMNS = ["model", "stage", "type", "pass1", "ci_low", "ci_high", "n_problems", "n_seeds", "paper"]


@pytest.mark.parametrize(("which", "name"), TABLES)
def test_every_table_has_estimates_and_markdown(which, name, request):
    experiment, product = PRODUCTS[which][name]
    inputs = request.getfixturevalue(which)[experiment.name]
    table = product.make(inputs)
    frame = table.frame
    assert frame[table.value].notna().any()
    with_interval = frame.dropna(subset=["ci_low"])
    assert (with_interval["ci_low"] <= with_interval["ci_high"]).all()
    assert not frame.duplicated([*table.rows, table.spread]).any()
    text = to_markdown(table, "Title", inputs)
    body = [line for line in text.splitlines() if line.startswith("|")]
    assert len(body) == 2 + len(frame[table.rows].drop_duplicates())
    assert ("no scientific meaning" in text) == (which == "smoke")
    assert "nan" not in text


def make(experiments, name: str) -> Table:
    experiment, product = PRODUCTS["full"][name]
    return product.make(experiments[experiment.name])


def test_table1_has_the_rows_and_columns_of_the_paper(full):
    frame = make(full, "table1").frame
    assert frame.columns.tolist() == COLUMNS
    assert frame["model"].drop_duplicates().tolist() == ["F", "B", "FB"]
    assert frame["stage"].drop_duplicates().tolist() == ["SFT", "RL(2-5)", "RL(6-9)"]
    assert frame["type"].drop_duplicates().tolist() == ["all", "inversion", "evaluation"]
    assert len(frame) == 27
    rows = frame.set_index(["model", "stage", "type"])
    assert rows.loc[("FB", "RL(6-9)", "all"), "paper"] == 0.957
    assert rows.loc[("B", "SFT", "evaluation"), "paper"] == 0.119
    assert set(frame["n_seeds"]) == {3}
    assert rows.loc[("FB", "SFT", "all"), "n_problems"] == 64
    # Known effects: see synthetic.World.
    assert rows.loc[("F", "RL(6-9)", "inversion"), "pass1"] == pytest.approx(0.12, abs=0.03)
    assert rows.loc[("FB", "RL(6-9)", "all"), "pass1"] > 0.85


def test_all_type_accuracy_is_the_mean_of_the_types(full):
    wide = make(full, "table1").frame.pivot(
        index=["model", "stage"], columns="type", values="pass1"
    )
    np.testing.assert_allclose(wide["all"], (wide["inversion"] + wide["evaluation"]) / 2)


def test_unknown_values_of_the_paper_are_empty(full):
    assert make(full, "field13").frame["paper"].isna().all()


def test_robustness_sets_the_default_among_the_values_and_the_papers_beside_ours(full):
    frame = make(full, "robustness-rl.kl_coefficient").frame
    assert frame["setting"].drop_duplicates().tolist() == ["0.0 (default)", "0.05", "0.1"]
    rows = frame.set_index(["model", "setting", "measure"])
    assert rows.loc[("F", "0.1", "pass@1, all"), "paper"] == 0.58
    assert rows.loc[("FB", "0.0 (default)", "pass@1, all"), "paper"] == 0.97
    assert rows.loc[("FB", "0.1", "pass@1, all"), "n_seeds"] == 3
    assert rows.loc[("F", "0.1", "pass@1, all"), "n_seeds"] == 1


def test_tables_say_if_an_interval_is_over_problems_alone(full):
    alone = "Intervals of one seed are over problems alone"
    for name, said in (("robustness-rl.kl_coefficient", True), ("table1", False)):
        experiment, product = PRODUCTS["full"][name]
        inputs = full[experiment.name]
        assert (alone in to_markdown(product.make(inputs), "Title", inputs)) == said


def test_differences_after_sft_are_those_of_the_accuracies(full):
    frame = make(full, "sft").frame.set_index(["model", "measure"])
    for measure in ("pass@1", "pass@1 on the fitting type"):
        accuracies = {model: frame.loc[(model, measure), "value"] for model in ("F", "B", "FB")}
        for one, other in (("F", "B"), ("F", "FB"), ("B", "FB")):
            row = frame.loc[(f"{one} less {other}", measure)]
            assert row["value"] == pytest.approx(accuracies[one] - accuracies[other])
            assert row["ci_low"] < row["value"] < row["ci_high"]


def run_table(name, paths, folder):
    outputs = {"csv": folder / "t.csv", "markdown": folder / "t.md"}
    files = {kind: [path] for kind, path in paths.items()}
    arguments = {"source": source(FULL, "main", files), "name": name, **outputs}
    return run_stage("experiments.main:Main.make_table", arguments, folder.parent)


def test_program_writes_both_files_or_says_which_input_is_damaged(written, tmp_path):
    folder = tmp_path / "tables"
    done = run_table("sft", {key: written[key] for key in ("scores", "sft")}, folder)
    assert done.returncode == 0, done.stderr
    assert "cross-entropy (nats/token)" in set(pd.read_csv(folder / "t.csv")["measure"])
    for path in folder.iterdir():
        path.unlink()
    written["scores"].write_bytes(written["scores"].read_bytes()[:1000])
    failed = run_table("sft", {key: written[key] for key in ("scores", "sft")}, folder)
    assert failed.returncode != 0
    assert len(failed.stderr.splitlines()) == 1
    assert str(written["scores"]) in failed.stderr
    assert "run snakemake again, which makes it anew" in failed.stderr
    assert list(folder.iterdir()) == []
