"""The whole smoke tier: every stage runs, nothing runs twice, and results repeat to the bit."""

import contextlib
import hashlib
import json
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Project, load_tier, run_stage
from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, sha256_tree
from workflow_scripts.cost.measured import cost_by_stage, cost_table
from workflow_scripts.operate import receipts, report, sharing
from workflow_scripts.operate.compare import IDENTICAL, compare_tier
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.reference import keep_reference
from workflow_scripts.operate.report_content import collect_page
from workflow_scripts.operate.verify import read_plan_of_tier
from workflow_scripts.plan.products import figures, tables
from workflow_scripts.plan.study import Study
from workflow_scripts.report.page import render

pytestmark = pytest.mark.slow


def hashes(project: Project, pattern: str) -> dict[str, str]:
    results = project.folder / "results" / "smoke"
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.glob(pattern))
    }


def test_every_figure_table_and_claim_is_made(smoke):
    results = smoke.folder / "results" / "smoke"
    settings = load_tier("smoke")
    for name in figures(Study(settings)):
        assert (results / "figures" / f"{name}.png").stat().st_size > 5000, name
        assert b"<svg" in (results / "figures" / f"{name}.svg").read_bytes(), name
        assert (results / "figures" / f"{name}.md").is_file(), name
    for name in tables(Study(settings)):
        assert len((results / "tables" / f"{name}.csv").read_text().splitlines()) > 1, name
        assert (results / "tables" / f"{name}.md").is_file(), name
        assert "booktabs" in (results / "tables" / f"{name}.tex").read_text(), name
    assert [claim["id"] for claim in json.loads((results / "claims.json").read_text())] == [
        f"C{number}" for number in range(1, 10)
    ]


def test_every_product_of_the_smoke_tier_says_that_it_has_no_scientific_meaning(smoke):
    results = smoke.folder / "results" / "smoke"
    kinds = ("tables/*.md", "tables/*.tex", "figures/*.md", "figures/*.svg", "claims.md")
    pages = [page for kind in kinds for page in results.glob(kind)]
    silent = [page.name for page in pages if "no scientific meaning" not in page.read_text()]
    assert len(pages) > 20
    assert not silent


def test_a_second_run_starts_no_job(smoke):
    result = smoke.snakemake("all", "--dry-run")
    assert "Nothing to be done" in result.stdout + result.stderr


def test_a_job_takes_less_than_four_gib(smoke):
    cost = cost_table(smoke.folder / "results/smoke/benchmarks")
    assert len(cost) > 100
    assert 2 * cost["peak_mib"].max() < 4096, "two jobs run at once"
    by_stage = cost_by_stage(cost).set_index("stage")
    assert by_stage["jobs"].sum() == len(cost)
    assert by_stage.loc["sft", "jobs"] == (cost["stage"] == "sft").sum()


def test_the_reference_is_small_and_compares_as_identical(smoke, tmp_path, monkeypatch):
    results = smoke.folder / "results/smoke"
    monkeypatch.chdir(smoke.folder)
    plan = read_plan_of_tier("smoke")
    keep_reference(plan, ["all"], tmp_path / "reference/smoke")
    compared = compare_tier(plan, ["all"], tmp_path / "reference/smoke")
    assert {each.file for each in compared} >= {"quantities/main.json", "metrics/main.csv"}
    assert all(set(each.numbers["outcome"]) == {IDENTICAL} for each in compared)
    assert all(each.n_missing == 0 for each in compared)
    kept = [path for path in (tmp_path / "reference/smoke").rglob("*") if path.is_file()]
    suffixes = {path.suffix for path in kept}
    kinds = {".csv", ".md", ".tex", ".json", ".png", ".svg", ".parquet", ".safetensors"}
    assert suffixes == kinds
    models = {path.name for path in (tmp_path / "reference/smoke/models").iterdir()}
    assert models == {f"{m}-s0{rl}" for m in ("F", "B", "FB") for rl in ("", "-rl2-5", "-rl6-9")}
    assert set(pd.read_csv(tmp_path / "reference/smoke/rollouts.csv")["run"]) == models
    assert (tmp_path / "reference/smoke/cost.csv").is_file()
    assert (tmp_path / "reference/smoke/rl/FB-s0-rl6-9/run.json").is_file()
    assert sum(path.stat().st_size for path in kept) < 40_000_000
    for file in ("tables/table1.md", "claims.md", "claims.json"):
        assert (tmp_path / "reference/smoke" / file).read_bytes() == (results / file).read_bytes()


def test_the_report_shows_the_whole_study(smoke, monkeypatch):
    monkeypatch.chdir(smoke.folder)
    source = report.finished(read_plan_of_tier("smoke"), ["all"])
    page = collect_page(source, "docs")
    for shown in page.experiments:
        assert (shown.absent, shown.missing, len(shown.runs)) == ("", [], shown.n_planned)
        assert shown.costs
        assert shown.made_by
    html = render(page)
    assert html.count("<figure id=") == len(figures(source.plan.study))
    assert "Smoke tier: no scientific meaning" in html
    assert len(html.encode()) < 6_000_000


def test_snakemakes_own_report_shows_every_figure_and_table_with_its_caption(smoke, tmp_path):
    result = smoke.snakemake("all", "--report", str(tmp_path / "report.html"))
    assert result.returncode == 0, result.stderr[-2000:]
    html = (tmp_path / "report.html").read_text()
    study = Study(load_tier("smoke"))
    for kind, products in (("figure", figures(study)), ("table", tables(study))):
        for name, (_, product) in products.items():
            assert f'"kind": "{kind}", "name": "{name}"' in html
            assert json.dumps(product.caption)[1:-1] in html


def test_an_experiment_is_kept_beside_what_was_kept_before(smoke, tmp_path, monkeypatch):
    monkeypatch.chdir(smoke.folder)
    reference = tmp_path / "reference"
    (reference / "tables").mkdir(parents=True)
    (reference / "tables/longer.md").write_text("kept")
    (reference / "cost.csv").write_text(
        "stage,job,wall_seconds,cpu_seconds,peak_mib\nsft,FB-s0,1,1,1\nsft,old,2,2,2\n"
    )
    keep_reference(read_plan_of_tier("smoke"), ["main"], reference)
    assert (reference / "tables/longer.md").read_text() == "kept"
    assert (reference / "tables/table1.md").is_file()
    claims = {claim["id"]: claim for claim in read_json(reference / "claims.json")}
    assert claims["C1"]["n_primary"] > 1
    assert [quantity["name"] for quantity in claims["C8"]["quantities"]] == [
        "the experiment composition"
    ]
    assert not list(reference.glob("rl/*asks=any*"))
    cost = pd.read_csv(reference / "cost.csv").set_index(["stage", "job"])["wall_seconds"]
    assert cost["sft", "FB-s0"] != 1
    # Amplification shares a run with main. Its record stays as it was kept beside main's models.
    shared = reference / "rl/FB-s0-rl6-9/run.json"
    shared.write_text("kept")
    rollouts = (reference / "rollouts.csv").read_bytes()
    keep_reference(read_plan_of_tier("smoke"), ["amplification"], reference)
    assert shared.read_text() == "kept"
    assert (reference / "rl/FB-s0-rl6-9-eval90/run.json").is_file()
    assert (reference / "rollouts.csv").read_bytes() == rollouts
    assert cost["sft", "old"] == 2


def test_an_unfinished_tier_is_not_kept(project):
    before = sha256_tree(project.folder / "results/reference/smoke")
    result = project.python("operate.reference", "--tier", "smoke")
    assert result.returncode == 1
    assert result.stderr.startswith("error: results/smoke is not finished: ")
    assert "Make them with: make study TIER=smoke TARGETS='all'\n" in result.stderr
    assert result.stderr.count("\n") == 1
    assert sha256_tree(project.folder / "results/reference/smoke") == before


DAMAGED = [
    "rl/FB-s0-rl6-9/model/model.safetensors",
    "rollouts/FB-s0/steps.parquet",
    "labels/FB-s0/steps.parquet",
    "metrics/main.csv",
    "figures/routing.svg",
    "tables/table1.md",
    "claims.md",
]


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_neither_kept_nor_published_nor_verified(smoke, tmp_path, monkeypatch, name):
    monkeypatch.chdir(smoke.folder)
    path = smoke.folder / "results/smoke" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    try:
        with pytest.raises(StudyError, match=f"damaged .*results/smoke/{name} is not what was"):
            keep_reference(read_plan_of_tier("smoke"), ["all"], tmp_path / "reference")
        with pytest.raises(StudyError, match=f"damaged .*results/smoke/{name} is not what was"):
            sharing.publish("smoke", str(tmp_path / "remote"))
        verified = smoke.python("operate.verify", "--configfile", "config/smoke.yaml")
        assert verified.returncode == 1
        assert f"results/smoke/{name} is not what was made" in verified.stdout
    finally:
        path.write_bytes(content)
    assert not (tmp_path / "reference").exists()
    assert not (tmp_path / "remote").exists()


def test_a_finished_tier_is_verified_and_planned_in_two_seconds(smoke):
    verified = smoke.python("operate.verify", "--configfile", "config/smoke.yaml")
    assert verified.returncode == 0
    assert "jobs in results/smoke are good: every file was read" in verified.stdout
    plan = read_plan_of_tier("smoke")
    results = smoke.folder / "results/smoke"
    started = time.monotonic()
    found = receipts.read_receipts(results, plan.jobs)
    with contextlib.chdir(smoke.folder):
        verdicts = receipts.judge(plan.jobs, found, Contents(Path("results/smoke")))
    assert time.monotonic() - started < 1
    assert sum(verdict.good for verdict in verdicts.values()) > 190


def test_table1_has_every_row_of_the_paper(smoke):
    table = pd.read_csv(smoke.folder / "results/smoke/tables/table1.csv")
    assert set(table["model"]) == {"F", "B", "FB"}
    assert set(table["stage"]) == {"SFT", "RL(2-5)", "RL(6-9)"}
    assert set(table["type"]) == {"all", "inversion", "evaluation"}
    assert len(table) == 27
    measured = table[["pass1", "ci_low", "ci_high"]]
    assert measured.apply(lambda column: column.between(0, 1)).all().all()


def test_rl_logs_every_step_of_every_run(smoke):
    settings = load_tier("smoke")
    logs = sorted(smoke.folder.glob("results/smoke/rl/*/rollouts.csv"))
    assert logs
    for path in logs:
        rollouts = pd.read_csv(path)
        per_step = rollouts.groupby("step")["n"].sum()
        assert list(per_step.index) == list(range(1, settings.rl.steps + 1)), path
        assert (per_step == settings.rl.batch_size).all(), path
        assert (rollouts["correct"] <= rollouts["complete"]).all(), path


def test_lora_and_the_field_map_in_the_prompt_are_run(smoke):
    results = smoke.folder / "results" / "smoke"
    (run,) = results.glob("rl/gf13-FB-s0-adaptation=lora-*-field_map=prompt-rl6-9-*")
    assert (run / "model/adapter_model.safetensors").is_file()
    assert not (run / "model/model.safetensors").exists()
    assert json.loads((run / "run.json").read_text())["settings"]["rl"]["kl_coefficient"] == 0.05
    prompts = smoke.folder / "data/smoke/gf13-field_map=prompt/rl-6-9-s0.jsonl"
    record = json.loads(prompts.read_text().splitlines()[1])
    assert record["prompt"].startswith("map 0 = e")


def test_the_same_configuration_gives_the_same_bits(smoke, project):
    """Of one model; tables and figures of all are compared where a study is killed."""
    rollouts = "rollouts/FB-s0-rl6-9/steps.parquet"
    result = project.snakemake(f"results/smoke/{rollouts}", "--cores", "2")
    assert result.returncode == 0, result.stderr[-4000:]
    assert hashes(project, rollouts) == hashes(smoke, rollouts)
    weights = hashes(project, "*/*/model/*.safetensors")
    assert len(weights) == 2, "SFT and RL"
    assert weights.items() <= hashes(smoke, "*/*/model/*.safetensors").items()


@pytest.mark.parametrize("damage", ["cut short", "altered"])
def test_a_damaged_model_is_named_and_nothing_is_written(smoke, tmp_path, damage):
    model = smoke.folder / "results/smoke/sft/FB-s0/model"
    target = tmp_path / "model"
    target.mkdir()
    for path in model.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    weights = target / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-100] if damage == "cut short" else content[:-1] + b"\0")
    sampling = {"temperature": 1.0, "batch_size": 64, "seed": 0}
    compute = load_tier("smoke").model.compute.model_dump()
    output = tmp_path / "rollouts.parquet"
    arguments = {
        "settings": {"model": compute, "sampling": sampling, "max_new_tokens": 81},
        "run": "x",
        "models": {"0": target},
        "problems": smoke.folder / "data/smoke/gf11/confirm-steps.jsonl",
        "size": {"n_samples": 1},
        "output": output,
    }
    result = run_stage("evaluate.sample:sample", arguments, tmp_path)
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert str(weights) in line
    assert "run snakemake again" in line
    assert not output.exists()
