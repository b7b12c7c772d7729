"""What a user meets first: plans, targets, and the refusal of what cannot be."""

import re
import resource
import sys
from pathlib import Path

import pytest

from tests.conftest import TASK, Project, copy_project, load_tier, run_stage
from workflow_scripts.common.errors import StudyError
from workflow_scripts.plan.configuration import read_configuration
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.products import figures, tables
from workflow_scripts.plan.study import Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Project:
    """A fresh copy for commands that write nothing."""
    return Project(copy_project(tmp_path_factory.mktemp("clone") / "project"))


def planned(result) -> dict[str, int]:
    """The jobs of a dry run by rule."""
    table = re.search(r"Job stats:\n.*?\n-.*?\n(.*?)\n\n", result.stdout, re.DOTALL)
    assert table, result.stdout + result.stderr
    rows = (line.split() for line in table[1].splitlines())
    return {rule: int(count) for rule, count in rows}


def cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("tier", ["smoke", "laptop", "gpu", "paper"])
def test_a_fresh_clone_plans_the_whole_tier_in_seconds(clone, tier):
    """In less than ten on a core of its own. Beside other tests, a core does half as much."""
    started = cpu_seconds_of_children()
    jobs = planned(clone.snakemake("--dry-run", tier=tier))
    assert cpu_seconds_of_children() - started < 20
    settings = load_tier(tier)
    assert jobs["figure"] == len(figures(Study(settings)))
    assert jobs["table"] == len(tables(Study(settings)))
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


def test_no_configuration_file_means_the_laptop_tier(clone):
    plain = clone.run(sys.executable, "-m", "snakemake", "--dry-run")
    named = clone.snakemake("--dry-run", tier="laptop")
    assert planned(plain) == planned(named)
    assert "results/laptop/claims.json" in plain.stdout


def test_the_command_of_the_readme_plans_the_tier(clone):
    """`make study` with its installation left out and a dry run in place of the run."""
    recipe = clone.run("make", "--dry-run", "study", "TIER=smoke").stdout
    (command,) = re.findall(r"^\.venv/bin/python -m snakemake (.*)$", recipe, re.MULTILINE)
    result = clone.run(sys.executable, "-m", "snakemake", "--dry-run", *command.split())
    assert result.returncode == 0, result.stderr
    assert "results/smoke/claims.json" in result.stdout


@pytest.mark.parametrize("tier", ["smoke", "laptop"])
def test_every_figure_and_table_is_a_target_by_name(clone, tier):
    settings = load_tier(tier)
    names = [f"fig_{name.replace('-', '_')}" for name in figures(Study(settings))]
    listed = clone.snakemake("--list-target-rules", tier=tier).stdout.split()
    assert set(names) <= set(listed)
    assert {"all", "table1", "claims", "table_sft"} <= set(listed)
    assert ("rebuild_base" in listed) == (tier == "laptop"), "whose base models are shipped"
    assert sum(name.startswith("table_robustness_") for name in listed) == len(
        settings.experiments.robustness.axes
    )


BAD = {  # the others are in tests/test_settings.py
    "mistyped key": ("rl: { group_sise: 8 }", "rl.group_sise: 8: no such key"),
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


@pytest.mark.parametrize(
    "module", ["task.datasets", "train.sft", "evaluate.label", "report.claims", "experiments.main"]
)
def test_every_stage_is_a_program_that_explains_itself(clone, module):
    result = clone.python(module, "--help")
    assert result.returncode == 0, result.stderr
    assert "results/<tier>/plan/<job>.json" in result.stdout


@pytest.mark.parametrize("damage", ["cut short", "altered", "missing"])
def test_a_damaged_data_file_is_named_and_nothing_is_written(tmp_path, damage):
    mix = {"steps": [2, 3]}
    dev, confirm = tmp_path / "dev.jsonl", tmp_path / "confirm.jsonl"
    validation = {"task": TASK, "mix": mix, "n": 8, "dev": dev, "confirm": confirm}
    made = run_stage("task.datasets:make_validation", validation, tmp_path)
    assert made.returncode == 0, made.stderr
    content = confirm.read_text()
    if damage == "cut short":
        confirm.write_text(content[:-40])
    elif damage == "altered":
        confirm.write_text(content.replace("e1", "e2", 1))
    else:
        confirm.unlink()
    prompts = {"task": TASK, "mix": {**mix, "evaluation_share": 0.5}, "n": 8, "seed": 0}
    files = {"validation": [dev, confirm], "output": tmp_path / "rl.jsonl"}
    result = run_stage("task.datasets:make_prompts", {**prompts, **files}, tmp_path)
    assert result.returncode == 1
    assert re.fullmatch(r"error: .*confirm\.jsonl .*run snakemake again.*\n", result.stderr)
    assert not (tmp_path / "rl.jsonl").exists()


LINES = {
    "a file that is not there": (
        ["--configfile", "config/nothing.yaml"],
        "config/nothing.yaml: no such file or directory: name a configuration file that is there: ",
    ),
    "a key with dots": (
        ["--config", "rl.group_size=4"],
        "command line: rl.group_size=4: write --config rl='{group_size: 4}'",
    ),
    "a mistyped figure": (
        ["fig_routin"],
        "fig_routin: no such target of the tier laptop; did you ",
    ),
    "a mistyped file": (
        ["results/laptop/claims.mt"],
        "results/laptop/claims.mt: no such target of the tier laptop; did you mean ",
    ),
    "nothing to fetch": (["fetch_model"], "fetch_model: no such target of the tier laptop; its "),
    "a base that is not shipped": (
        ["rebuild_base", "--configfile", "config/gpu.yaml"],
        "rebuild_base: no such target of the tier gpu; no base model of its shape is shipped",
    ),
    "a profile that is not there": (
        ["--workflow-profile", "profiles/slrm"],
        "profiles/slrm: no such profile; known: profiles/default, profiles/slurm",
    ),
    "a bad value of the command line": (
        ["--config", "rl={group_size: 7}"],
        "command line: rl.group_size: 7: a divisor",
    ),
    "a field of no prime size": (
        ["--config", "task={field_size: 9}"],
        "command line: task.field_size: 9: a prime (GF(p) needs a prime p, and 9 = 3 * 3)",
    ),
}


@pytest.mark.parametrize(("arguments", "told"), LINES.values(), ids=LINES)
def test_what_cannot_be_is_one_line_with_its_remedy(clone, arguments, told):
    result = clone.run(sys.executable, "-m", "snakemake", "--cores", "1", *arguments)
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if "error" in line.lower()]
    assert line.startswith(f"error: {told}")
    assert "Traceback" not in result.stderr
    assert not (clone.folder / "results/laptop").exists()


IMPOSSIBLE = {
    "a seed too large": (
        "seeds=[4294967296]",
        "command line: seeds.0: 4294967296: input should be less than or equal to 4294967295",
    ),
    "braces in a folder": (
        "model={base: 'a/{b}'}",
        "command line: model.base: a/{b}: a folder's path in which {task} alone may stand",
    ),
    "two settings of one name": (
        "experiments={robustness: {axes: {model.base: [a/b, a_b]}}}",
        "model.base: a/b and a_b would give two runs the name ",
    ),
    "a share of too many digits": (
        "experiments={amplification: {evaluation_shares: [0.12345678]}}",
        "command line: experiments.amplification.evaluation_shares.0: 0.12345678: at most four ",
    ),
    "a model twice": (
        "experiments={main: {models: [F, F, B]}}",
        "command line: experiments.main.models: ['F', 'F', 'B']: values that differ",
    ),
}


@pytest.mark.parametrize(("change", "told"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_study_that_cannot_be_is_refused_in_one_line(change, told):
    """As Snakemake reads it; how it then ends is tested above."""
    with pytest.raises(StudyError) as error:
        _ = Plan(Study(read_configuration([Path("config/laptop.yaml")], [change]))).jobs
    assert str(error.value).startswith(told)
    assert "\n" not in str(error.value)


FILES = {
    "no tier": ("seeds: [0]\n", "config/mine.yaml: tier: (missing): a name of its own"),
    "no YAML": ("tier: mine\nrl: {a: 1\n", "config/mine.yaml, line 3: not YAML: "),
    "no keys": ("- 1\n", "config/mine.yaml: keys with values are expected"),
}


@pytest.mark.parametrize(("text", "told"), FILES.values(), ids=FILES)
def test_a_configuration_file_that_cannot_be_is_one_line(project, text, told):
    (project.folder / "config/mine.yaml").write_text(text)
    result = project.snakemake("--cores", "1", tier="mine")
    assert result.returncode == 1
    assert f"error: {told}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["study", "tier=smoke"], "tier=smoke: write TIER=smoke"),
        (["study", "fig_routing"], "make study TARGETS='fig_routing'"),
        *((["" + command, "TIER=foo"], "no tier foo") for command in ("study", "cost", "why")),
        (["reference", "TIER=foo"], "tiers: gpu laptop paper smoke"),
    ],
)
def test_a_mistyped_word_of_make_runs_nothing(clone, words, told):
    result = clone.run("make", *words)
    assert result.returncode != 0
    assert told in result.stderr.splitlines()[-1]
    assert not (clone.folder / ".venv").exists()


def test_a_tier_for_gpus_without_one_stops_before_any_job(clone, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    result = clone.snakemake("results/gpu/base/gf11/run.json", "--cores", "1", tier="gpu")
    assert result.returncode == 1
    told = "error: the tier gpu computes on a GPU (model.device: cuda) and none is visible here"
    assert told in result.stderr
    assert not (clone.folder / "data/gpu").exists()


@pytest.mark.skipif(sys.platform == "darwin", reason="an Apple computer may have the GPU")
def test_a_study_for_an_apple_gpu_stops_elsewhere_before_any_job(clone):
    target = "results/smoke/base/gf13/run.json"
    result = clone.snakemake(target, "--cores", "1", "--config", "model={device: mps}")
    assert result.returncode == 1
    assert "error: the tier smoke computes on the GPU of an Apple computer" in result.stderr
    assert not (clone.folder / "data/smoke").exists()


def test_arguments_of_jobs_do_not_grow_with_the_seeds(clone):
    """Linux takes 131,072 bytes an argument. Thirty names of runs would be longer than is asked."""
    seeds = ", ".join(map(str, range(30)))
    change = [f"seeds=[{seeds}]"]
    result = clone.snakemake("all", "--dry-run", "--printshellcmds", "--config", *change)
    assert result.returncode == 0, result.stderr[-2000:]
    commands = re.findall(r"^.*workflow_scripts\.operate\.job.*$", result.stdout, re.MULTILINE)
    assert len(commands) > 500
    assert max(map(len, commands)) < 1000
