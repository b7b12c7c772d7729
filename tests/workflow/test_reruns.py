"""What runs again after a change, to the file: neither more nor less."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project
from workflow_scripts.common import provenance
from workflow_scripts.operate.contents import Contents
from workflow_scripts.operate.verify import jobs_of, judge_jobs
from workflow_scripts.plan.configuration import read_configuration
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.study import Study

pytestmark = pytest.mark.slow

# Regular expressions of outputs, from their tier's folder on.
NOTHING = r"(?!)"
SHOWN = r"tables/|figures/|quantities/|claims\."
REPORT = rf"metrics/|{SHOWN}"
PROVENANCE, ESTIMATED = r"provenance/", rf"scores/|mistakes/|{REPORT}"
SFT_RUN, RL_RUN = r"sft/[^/]+/", r"rl/[^/]+/"
EVALUATED_RL = r"(rollouts|labels|exact)/[^/]+-rl\d[^/]*/"
EVALUATED = r"(rollouts|labels|exact)/"
FROM_RL = rf"{RL_RUN}|{EVALUATED_RL}|training/|{PROVENANCE}|{ESTIMATED}"
FROM_SFT = rf"{SFT_RUN}|{EVALUATED}|sft_validation/|{FROM_RL}"
GF13 = r"(sft|rl|rollouts|labels|exact)/gf13-[^/]+/"


def collected(experiment: str) -> str:
    """What is collected and reported of one experiment, and the claims, which rest on all."""
    return (
        rf"(scores|mistakes|training|sft_validation|provenance|metrics)/{experiment}[./]|"
        rf"(tables|figures|quantities)/{experiment}[.-]|claims\."
    )


KEYS = {
    "how often a run is saved": ("checkpoint_seconds=5", NOTHING),
    "what jobs ask a scheduler for": ("jobs={gpus: 2}", NOTHING),
    "confidence of intervals": ("statistics={confidence: 0.9}", REPORT),
    "base training, where the base is shipped": (
        "base={steps: 31}",
        rf"base/|{GF13}|{collected('field13')}",
    ),
    "learning rate of RL": (
        "rl={learning_rate: 2.0e-4}",
        # Composition and one run of robustness have learning rates of their own.
        rf"(?!.*-learning_rate=|(provenance|scores|mistakes|training|metrics)/composition)({FROM_RL})",
    ),
    "scored steps": (
        "rl={scored_steps: [2]}",
        # Two experiments share no run of FB with main.
        r"(rl|rollouts|labels|exact)/FB-s0-rl(2-5|6-9)/|training/"
        rf"|(provenance|scores|mistakes|metrics)/(?!composition|field13)|{SHOWN}",
    ),
    "samples of an evaluation": (
        "sampling={n_samples: 5}",
        rf"(rollouts|labels|scores)/[^/]+/(steps|longer|parts)\.|mistakes/|{PROVENANCE}|{REPORT}",
    ),
    "validation problems": (
        "experiments={longer: {rl_steps: {low: 6, high: 14}}}",
        # Training sets keep out all validation problems.
        rf"data/smoke/[^/]+/((dev|confirm)-longer|sft-|rl-)|{FROM_SFT}",
    ),
    "the steps of another experiment": (
        "experiments={field13: {rl_steps: [{low: 4, high: 7}]}}",
        # They are one of the ranges of which every experiment has metrics.
        rf"data/smoke/gf13.*/rl-|(rl|rollouts|labels|exact)/gf13-.*-rl|{collected('field13')}|metrics/",
    ),
    "shares of amplification": (
        "experiments={amplification: {evaluation_shares: [0.9]}}",
        collected("amplification"),
    ),
}


@pytest.fixture(scope="module")
def done(smoke, tmp_path_factory) -> Project:
    """A copy of the finished smoke tier, to be changed."""
    folder = tmp_path_factory.mktemp("done") / "project"
    shutil.copytree(smoke.folder, folder, symlinks=True)
    return Project(folder)


def why(project: Project, *config: str) -> dict[str, str]:
    """The jobs that would run, and why: as `make why` says, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        patch.setattr(provenance, "PACKAGE", project.folder / "workflow_scripts")
        provenance.forget_code()
        study = Study(read_configuration([Path("config/smoke.yaml")], list(config)))
        jobs = Plan(study)
        names = jobs_of(jobs, ["all"])
        bad = judge_jobs(jobs, names, Contents(jobs.results)).bad(names)
    provenance.forget_code()
    return {name: f"{verdict.state}: {verdict.reason}" for name, verdict in bad.items()}


def why_told(project: Project, *config: str) -> dict[str, str]:
    """The same from the command line."""
    arguments = ["--configfile", "config/smoke.yaml", "--why"]
    result = project.python(
        "operate.verify", *arguments, *(["--config", *config] if config else [])
    )
    assert result.returncode == 0, result.stderr[-2000:]
    *jobs, last = result.stdout.splitlines()
    assert last == (f"{len(jobs)} jobs would run" if jobs else "nothing to be done")
    return dict(line.split("  <-  ") for line in jobs)


def plan(project: Project, *config: str) -> tuple[set[str], set[str]]:
    """The outputs that would be made again, and all."""
    again = why(project, *config)
    settings = read_configuration([ROOT / "config/smoke.yaml"], list(config))
    study = Plan(Study(settings))
    outputs = lambda names: {f for n in names for f in study.jobs[n].outputs.values()}  # noqa: E731
    return outputs(again), outputs(jobs_of(study, ["all"]))


def check(project: Project, expected: str, *config: str) -> None:
    again, everything = plan(project, *config)
    pattern = re.compile(rf"(results/smoke/)?({expected})")
    wanted = {path for path in everything if pattern.match(path)}
    missing, surplus = sorted(wanted - again), sorted(again - wanted)
    assert (missing, surplus) == ([], [])


@contextmanager
def edited(project: Project, name: str, old: str, new: str) -> Iterator[None]:
    """Replace text in a file for a while. Its time stamp is not put back: it must not count."""
    path = project.folder / name
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))
    try:
        yield
    finally:
        path.write_text(source)


@pytest.mark.parametrize(("config", "expected"), KEYS.values(), ids=KEYS)
def test_a_changed_key_reruns_what_depends_on_it(done, config, expected):
    check(done, expected, config)


WS = "workflow_scripts"
EDITS = {
    "a comment": (f"{WS}/train/grpo.py", "def train", "# why\ndef train", NOTHING),
    "a docstring": (f"{WS}/train/sft.py", '"""SFT: a', '"""SFT, a', NOTHING),
    "a module that no stage imports": (
        f"{WS}/operate/reference.py",
        "_KEPT = (",
        "_KEPT = (1, ",
        NOTHING,
    ),
    "the README": ("README.md", "# Select", "# select", NOTHING),
    "a rule's message": ("rules/train.smk", '"SFT {', '"Tune {', NOTHING),
    "an experiment": (
        f"{WS}/experiments/robustness.py",
        "def is_of_sft",
        "_X = 1\n\n\ndef is_of_sft",
        r"(tables|figures|quantities)/robustness[.-]|claims\.",
    ),
    "a criterion": (f"{WS}/report/criteria.py", "MARGIN = ", "_X = 1\nMARGIN = ", SHOWN),
    "the page of the claims": (
        f"{WS}/report/claims.py",
        "def judge",
        "_X = 1\n\n\ndef judge",
        r"claims\.",
    ),
    "the statistics": (f"{WS}/evaluate/statistics.py", "\n\n\ndef", "\n\n_X = 1\n\n\ndef", REPORT),
    "the labels": (
        f"{WS}/task/label.py",
        "DIRECTIONS = (",
        "_X = 1\nDIRECTIONS = (",
        # RL logs the labels of its rollouts.
        rf"{RL_RUN}|{EVALUATED_RL}|labels/|training/|{PROVENANCE}|{ESTIMATED}|sft_validation/",
    ),
    "how rollouts are sampled": (
        f"{WS}/evaluate/sample.py",
        "def sample(",
        "_X = 1\n\n\ndef sample(",
        rf"(rollouts|labels)/|scores/[^/]+/(steps|pass_at_k|longer|parts)\.|mistakes/|"
        rf"{PROVENANCE}|metrics/|tables/|quantities/|claims\.|"
        # These show RL's own rollouts, or exact measures.
        r"figures/(?!selection|time_scales|dynamics|theory|mechanisms|sharpening)",
    ),
    "how RL trains": (f"{WS}/train/grpo.py", "def train", "_X = 1\n\n\ndef train", FROM_RL),
    "what is said of a lock": (f"{WS}/common/lock.py", "is in use by", "is held by", NOTHING),
    "how progress is shown": (f"{WS}/common/progress.py", "_SEC", "_X = 1\n_SEC", NOTHING),
    "how whole files are written": (
        f"{WS}/common/files.py",
        "def sha",
        "_X = 1\n\n\ndef sha",
        NOTHING,
    ),
    "how receipts are kept": (f"{WS}/operate/job.py", "def make", "_X = 1\n\n\ndef make", NOTHING),
    "the pin of matplotlib": ("requirements.txt", "matplotlib==3", "matplotlib==4", SHOWN),
    "the pin of trl": ("requirements.txt", "trl==1", "trl==2", rf"base/|{FROM_SFT}"),
    "the pin of pytest": ("requirements-dev.txt", "pytest==9", "pytest==10", NOTHING),
}


@pytest.mark.parametrize(("name", "old", "new", "expected"), EDITS.values(), ids=EDITS)
def test_an_edit_reruns_what_uses_it(done, name, old, new, expected):
    with edited(done, name, old, new):
        check(done, expected)


def test_checkout_touch_and_a_new_clone_of_the_code_rerun_nothing(done):
    """All time stamps are new, as after git checkout or rebase; the content is the same."""
    for path in done.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            path.touch()
    check(done, NOTHING)


def test_an_altered_data_set_is_drawn_again_before_what_reads_it(done):
    name = "data/smoke/gf11/rl-6-15-s0.jsonl"
    with edited(done, name, '"id": 0', '"id":  0'):
        check(done, rf"{name}|(rl|rollouts|labels|exact)/FB-s0-rl6-15/|{collected('longer')}")


def test_a_lost_figure_is_made_again_alone(done):
    figure = done.folder / "results/smoke/figures/routing.svg"
    content = figure.read_bytes()
    figure.unlink()
    check(done, r"figures/routing\.")
    figure.write_bytes(content)


def test_a_further_seed_adds_its_own_runs(done):
    again, _ = plan(done, "seeds=[0, 1]")
    trained = {
        path for path in again if re.match(r"results/smoke/(sft|rl|rollouts|labels|exact)/", path)
    }
    assert trained
    assert all("-s1" in path for path in trained)


def test_why_says_in_one_line_per_job_what_changed(done):
    assert why_told(done) == why(done) == {}
    told = why_told(done, "rl={learning_rate: 2.0e-4}")
    assert told["rl/FB-s0-rl6-15"] == "stale: changed: rl.learning_rate: 0.0001 -> 0.0002"
    assert told == why(done, "rl={learning_rate: 2.0e-4}")
    rests = "stale: reads from rl/FB-s0-rl6-15, which is stale"
    assert told["rollouts/FB-s0-rl6-15/longer"] == rests
    with edited(done, f"{WS}/evaluate/label.py", "def make", "_X = 1\n\n\ndef make"):
        assert why(done)["labels/FB-s0/longer"] == "stale: changed: its code"
    path = done.folder / "results/smoke/figures/longer.png"
    content = path.read_bytes()
    path.unlink()
    assert why(done) == {"figures/longer": f"missing: {path.relative_to(done.folder)} is gone"}
    path.write_bytes(content)


@pytest.mark.parametrize("change", ["rl={learning_rate: 2.0e-4}", "sampling={n_samples: 5}"])
def test_snakemake_plans_what_receipts_say(done, change):
    result = done.snakemake("all", "--dry-run", "--config", change)
    jobs = re.search(r"^total +(\d+)$", result.stdout, re.MULTILINE)
    assert int(jobs[1]) == len(why(done, change)) + 1, "and the target itself"
