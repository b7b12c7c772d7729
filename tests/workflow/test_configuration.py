"""What a user meets first: plans, targets, and the refusal of what cannot be."""

import json
import re
import sys
import time

import pytest

from tests.conftest import TASK, load_tier
from workflow_scripts.report import products


def planned(result) -> dict[str, int]:
    """The jobs of a dry run by rule."""
    table = re.search(r"Job stats:\n.*?\n-.*?\n(.*?)\n\n", result.stdout, re.DOTALL)
    assert table, result.stdout + result.stderr
    rows = (line.split() for line in table[1].splitlines())
    return {rule: int(count) for rule, count in rows}


@pytest.mark.parametrize("tier", ["smoke", "laptop", "gpu", "paper"])
def test_a_fresh_clone_plans_the_whole_tier_in_ten_seconds(project, tier):
    started = time.monotonic()
    jobs = planned(project.snakemake("--dry-run", tier=tier))
    assert time.monotonic() - started < 10
    settings = load_tier(tier)
    assert jobs["figure"] == len(products.figures(settings))
    assert jobs["table"] == len(products.tables(settings))
    assert jobs["claims"] == jobs["all"] == 1
    assert jobs["sft"] > 3
    assert jobs["grpo"] > 6
    assert jobs["rollouts"] == jobs["labels"] > jobs["sft"] + 6


def test_cost_tells_what_a_tier_costs_and_starts_nothing(project):
    told = project.snakemake("cost", tier="laptop")
    assert told.returncode == 0, told.stderr
    assert "in core hours" in told.stdout
    for target in ("table1", "fig_routing", "main", "all"):
        assert re.search(rf"^\| {target} +\|", told.stdout, re.MULTILINE)
    assert not (project.folder / "data/laptop").exists()


def test_no_configuration_file_means_the_laptop_tier(project):
    plain = project.run(sys.executable, "-m", "snakemake", "--dry-run")
    named = project.snakemake("--dry-run", tier="laptop")
    assert planned(plain) == planned(named)
    assert "results/laptop/claims.json" in plain.stdout


@pytest.mark.parametrize("tier", ["smoke", "laptop"])
def test_the_command_of_the_readme_plans_the_tier(project, tier):
    """`make study` with its installation left out and a dry run in place of the run."""
    recipe = project.run("make", "--dry-run", "study", f"TIER={tier}").stdout
    (command,) = re.findall(r"^\.venv/bin/snakemake (.*)$", recipe, re.MULTILINE)
    result = project.run(sys.executable, "-m", "snakemake", "--dry-run", *command.split())
    assert result.returncode == 0, result.stderr
    assert f"results/{tier}/claims.json" in result.stdout


@pytest.mark.parametrize("tier", ["smoke", "laptop"])
def test_every_figure_and_table_is_a_target_by_name(project, tier):
    settings = load_tier(tier)
    names = [f"fig_{name.replace('-', '_')}" for name in products.figures(settings)]
    listed = project.snakemake("--list-target-rules", tier=tier).stdout.split()
    assert set(names) <= set(listed)
    assert {"all", "table1", "claims", "rebuild_base", "table_sft"} <= set(listed)
    assert sum(name.startswith("table_robustness_") for name in listed) == len(
        settings.experiments.robustness.axes
    )


BAD = {
    "mistyped key": ("rl: { group_sise: 8 }", "rl.group_sise: 8: no such key"),
    "wrong type": ("sft: { epochs: many }", "sft.epochs: many: input should be a valid integer"),
    "negative size": ("data: { sft_examples: -1 }", "data.sft_examples: -1: "),
    "steps the names cannot hold": (
        "data: { validation_steps: { high: 18 } }",
        "data.validation_steps.high: 18: at most 17 steps",
    ),
    "composite p": ("task: { field_size: 12 }", "task.field_size: 12: a prime"),
    "group size": ("rl: { group_size: 7 }", "rl.group_size: 7: a divisor of batch_size"),
    "no such model": ("model: { base: models/nothing }", "model.base: models/nothing: a folder"),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_before_any_job(project, text, expected):
    (project.folder / "config/mine.yaml").write_text(f"tier: mine\n{text}\n")
    result = project.snakemake("--cores", "1", tier="mine")
    assert result.returncode != 0
    (line,) = [line for line in result.stderr.splitlines() if "error:" in line.lower()]
    assert line.startswith(f"error: config/mine.yaml: {expected}")
    assert "Traceback" not in result.stderr
    assert not (project.folder / "results/mine").exists()


def test_a_value_of_the_command_line_is_named_as_such(project):
    result = project.snakemake("--dry-run", "--config", "rl={group_size: 7}")
    assert result.returncode != 0
    assert "error: command line: rl.group_size: 7: a divisor" in result.stderr


@pytest.mark.parametrize(
    "module", ["task.datasets", "train.sft", "evaluate.label", "report.tables", "report.figures"]
)
def test_every_stage_is_a_program_that_explains_itself(project, module):
    result = project.python(module, "--help")
    assert result.returncode == 0, result.stderr
    assert "--settings" in result.stdout or "--output" in result.stdout


@pytest.mark.parametrize("damage", ["cut short", "altered", "missing"])
def test_a_damaged_data_file_is_named_and_nothing_is_written(project, damage):
    mix = {"steps": [2, 3]}
    common = ["--task", json.dumps(TASK)]
    made = project.python(
        "task.datasets",
        *("validation", *common, "--mix", json.dumps(mix), "--n", "8"),
        *("--output", "dev.jsonl", "final.jsonl"),
    )
    assert made.returncode == 0, made.stderr
    final = project.folder / "final.jsonl"
    content = final.read_text()
    if damage == "cut short":
        final.write_text(content[:-40])
    elif damage == "altered":
        final.write_text(content.replace("e1", "e2", 1))
    else:
        final.unlink()
    result = project.python(
        "task.datasets",
        *("prompts", *common, "--mix", json.dumps({**mix, "evaluation_share": 0.5})),
        *("--n", "8", "--validation", "dev.jsonl", "final.jsonl", "--output", "rl.jsonl"),
    )
    assert result.returncode == 1
    assert re.fullmatch(r"error: final\.jsonl .*run snakemake again\n", result.stderr)
    assert not (project.folder / "rl.jsonl").exists()
