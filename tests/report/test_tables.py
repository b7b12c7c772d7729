import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from tests.conftest import run_stage
from tests.report.synthetic import FULL, SMOKE, source
from workflow_scripts.plan.products import tables
from workflow_scripts.plan.study import Study
from workflow_scripts.report.names import setting_name, value_names
from workflow_scripts.report.product_pages import read_cells
from workflow_scripts.report.table_pages import escape_latex, to_latex, to_markdown
from workflow_scripts.report.tables import Table

PRODUCTS = {"full": tables(Study(FULL)), "smoke": tables(Study(SMOKE))}
TABLES = [(which, name) for which, products in PRODUCTS.items() for name in products]
SUFFIXES = {"csv": "csv", "markdown": "md", "latex": "tex"}
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
    cells = read_cells(text)
    assert 0 < len(cells.rows) <= 30
    assert all(len(row) == len(cells.header) for row in cells.rows)
    assert not any("_" in name for name in cells.header), "readable names"
    assert ("no scientific meaning" in text) == (which == "smoke")
    assert "nan" not in text
    check_latex(to_latex(table, name, "Title", inputs))


def check_latex(text: str) -> None:
    """Every line of the table has as many cells as columns; only LaTeX's own words are bare."""
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
    lines = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert len(lines) > 1
    for line in lines:
        spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
        assert len(re.split(r"(?<!\\)&", line)) + sum(spans) - len(spans) == len(columns)
    assert text.count("{") == text.count("}"), "this text has no escaped brace"
    bare = re.sub(r"\\label\{[^}]*\}|\\[%&_#$]|\$-\$", "", text.partition("\n")[2])
    assert not re.search(r"[%#_$~^]", bare)


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


def rows_of(text: str, *keys: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The lines of a Markdown table by their keys, with the repeated keys filled in."""
    cells, above, found = read_cells(text), [""] * len(keys), {}
    assert cells.header[: len(keys)] == keys
    for row in cells.rows:
        first = next(index for index, key in enumerate(row) if key)
        above = [*above[:first], *row[first : len(keys)]]
        found[tuple(above)] = dict(zip(cells.header[len(keys) :], row[len(keys) :], strict=True))
    return found


def test_value_interval_paper_and_difference_have_columns_of_their_own(full):
    experiment, product = PRODUCTS["full"]["table1"]
    table = product.make(full[experiment.name])
    rows = rows_of(to_markdown(table, "Title", full[experiment.name]), "type", "model", "stage")
    assert len(rows) == 27
    assert next(iter(rows)) == ("all", "F", "SFT")
    found = rows["evaluation", "F", "SFT"]
    frame = table.frame.set_index(["type", "model", "stage"])
    known = frame.loc[("evaluation", "F", "SFT")]
    assert found["ours"] == f"{known['pass1']:.3f}"
    assert found["95 % interval"] == f"[{known['ci_low']:.3f}, {known['ci_high']:.3f}]"
    assert found["paper"] == "0.971"
    assert found["difference"] == f"{known['pass1'] - 0.971:+.3f}"


def test_pages_have_readable_names_and_csv_the_machines(full):
    experiment, product = PRODUCTS["full"]["robustness-rl.learning_rate"]
    table = product.make(full[experiment.name])
    assert "1e-4 (default)" in to_markdown(table, product.caption, full[experiment.name])
    assert product.caption == "pass@1 with another RL learning rate"
    assert "0.0001 (default)" in set(table.frame["setting"])
    longer = make(full, "longer")
    shown = read_cells(to_markdown(longer, "Title", full["longer"])).header
    assert [name for name in shown if "steps" in name] == ["2-5 steps", "6-9 steps", "10-15 steps"]
    assert {"2", "9", "15"} <= set(longer.frame["steps"])


def test_settings_and_their_values_have_one_form():
    assert setting_name("rl.kl_coefficient") == "RL KL coefficient"
    assert setting_name("sft.learning_rate") == "SFT learning rate"
    assert value_names([3e-5, 1.5e-4, 0.002]) == ["3e-5", "1.5e-4", "2e-3"]
    assert value_names([0.0, 0.05, 16, "dapo"]) == ["0", "0.05", "16", "dapo"]


def test_latex_reads_every_character_as_itself():
    assert escape_latex("95 % of A_B & #1 {x} $2 ~ ^ \\") == (
        r"95 \% of A\_B \& \#1 \{x\} \$2 \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert escape_latex("-0.12 [-0.30, 0.10], 6-9 steps") == "$-$0.12 [$-$0.30, 0.10], 6-9 steps"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("name", ["table1", "sft"])
def test_latex_compiles(full, tmp_path, name):
    experiment, product = PRODUCTS["full"][name]
    inputs = full[experiment.name]
    table = to_latex(product.make(inputs), name, product.caption, inputs)
    (tmp_path / "t.tex").write_text(
        "\\documentclass[twocolumn]{article}\n\\usepackage{booktabs,adjustbox}\n"
        f"\\begin{{document}}\n{table}\n\\end{{document}}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def run_table(name, paths, folder):
    outputs = {name: folder / f"t.{end}" for name, end in SUFFIXES.items()}
    files = {kind: [path] for kind, path in paths.items()}
    arguments = {"source": source(FULL, "main", files), "name": name, **outputs}
    return run_stage("experiments.main:Main.make_table", arguments, folder.parent)


def test_program_writes_all_files_or_says_which_input_is_damaged(written, tmp_path):
    folder = tmp_path / "tables"
    done = run_table("sft", {key: written[key] for key in ("scores", "sft")}, folder)
    assert done.returncode == 0, done.stderr
    assert {path.suffix[1:] for path in folder.iterdir()} == set(SUFFIXES.values())
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
