"""The run grid: which runs there are, what they are called, and what they share."""

import json
import re
from random import Random

import pytest
import yaml

from tests.conftest import ROOT, load_tier
from workflow_scripts.experiments.registry import EXPERIMENTS as KINDS
from workflow_scripts.experiments.runs import Prompts, RlRun, SftData, SftRun, data_folder
from workflow_scripts.plan.study import Study
from workflow_scripts.settings.overrides import override
from workflow_scripts.settings.strategies import percent
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Range
from workflow_scripts.task.mixes import Compositions, PromptSingles, Singles, SolvedSingles
from workflow_scripts.task.solutions import STRATEGIES

# The tests below name runs by these values, whatever the recipe of the laptop tier.
PINNED = {
    "seeds": [0, 1, 2],
    "task.field_size": 11,
    "task.field_map": "hidden",
    "task.n_variables": 18,
    "task.response_words": 81,
    "data.validation_steps": {"low": 2, "high": 9},
    "sft.epochs": 16,
    "sft.learning_rate": 1.0e-3,
    "rl.batch_size": 128,
    "rl.micro_batch_size": 128,
    "rl.group_size": 8,
    "rl.kl_coefficient": 0.0,
    "rl.steps": 300,
    "rl.scored_steps": [20, 100],
    "experiments.composition.overrides": {},
    "experiments.robustness.axes": {
        "sft.learning_rate": [5.0e-4, 2.0e-3],
        "rl.kl_coefficient": [0.05, 0.1],
        "rl.group_size": [4, 16],
    },
    "experiments.robustness.n_seeds_of_single_strategies": 1,
}
SETTINGS = override(load_tier("laptop"), PINNED)
EXPERIMENTS = [kind.name for kind in KINDS]
TIERS = sorted({file.stem for file in (ROOT / "config").glob("*.yaml")} - {"default"})


def study_of(changes: dict | None = None, *, only: str | None = None) -> Study:
    """The default study with some settings changed and, with only, one experiment enabled."""
    changes = dict(changes or {})
    if only:
        changes |= {f"experiments.{name}.enabled": name in only.split() for name in EXPERIMENTS}
    return Study(override(SETTINGS, changes))


def runs_of(study: Study) -> dict[str, SftRun | RlRun]:
    return {**study.sft_runs, **study.rl_runs}


def names(runs) -> set[str]:
    return {run.name for run in runs}


def sections(settings: StudySettings, *wanted: str) -> dict:
    values = settings.model_dump()
    return {name: values[name] for name in wanted}


def identity(run: SftRun | RlRun) -> str:
    """All that makes a run what it is, without its name."""
    if isinstance(run, SftRun):
        what = [run.data.name, run.seed, sections(run.settings, "task", "model", "sft")]
    else:
        what = [identity(run.sft), run.prompts.name, sections(run.settings, "task", "model", "rl")]
    return json.dumps(what, sort_keys=True)


def roles(members) -> list[tuple]:
    """Members with the identity of their run: other experiments' settings are no part of it."""
    return [
        (m.run.name, identity(m.run), m.model, m.stage, m.condition, m.evaluations) for m in members
    ]


# ---- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", TIERS)
def test_names_of_runs_are_unique_and_runs_that_are_alike_are_one(tier):
    study = Study(load_tier(tier))
    runs = runs_of(study)
    assert len(runs) == len(study.sft_runs) + len(study.rl_runs)
    assert {name: run.name for name, run in runs.items()} == {name: name for name in runs}
    assert len({identity(run) for run in runs.values()}) == len(runs)


@pytest.mark.parametrize("tier", TIERS)
def test_names_of_runs_are_fit_for_paths_and_shells(tier):
    for name in runs_of(Study(load_tier(tier))):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.=+-]*", name), name


@pytest.mark.parametrize("tier", TIERS)
def test_members_are_runs_of_the_grid_and_every_run_has_a_use(tier):
    study = Study(load_tier(tier))
    runs = runs_of(study)
    members = [member for some in study.members.values() for member in some]
    assert all(runs[member.run.name] is member.run for member in members)
    used = names(member.run for member in members)
    used |= names(m.run.sft for m in members if isinstance(m.run, RlRun))
    assert used == set(runs)


@pytest.mark.parametrize("tier", TIERS)
def test_every_evaluation_has_a_validation_set(tier):
    study = Study(load_tier(tier))
    for name, members in study.members.items():
        for member in members:
            assert member.evaluations, name
            for evaluation in member.evaluations:
                assert study.evaluations[evaluation].name == evaluation
                assert study.evaluations[evaluation].problems in study.validation_kinds, name


def test_names_are_what_people_type():
    study = study_of()
    assert {"F-s0", "B-s1", "FB-s2", "back10-s0", "pairs-s2", "gf13-FB-s0"} <= set(study.sft_runs)
    assert {
        "FB-s0-rl6-9",
        "F-s1-rl2-5",
        "FB-s2-rl6-9-eval75",
        "atomic-s0-rl3-5-parts",
        "FB-s0-rl6-15",
        "gf13-B-s2-rl6-9",
        "FB-s1-rl6-9-kl_coefficient=0.1",
        "B-s0-rl6-9-group_size=16",
    } <= set(study.rl_runs)
    assert "FB-s0-learning_rate=0.002" in study.sft_runs


CHANGES = {
    "rl.kl_coefficient": 0.3,
    "rl.learning_rate": 0.7,
    "rl.scored_steps": [1, 2],
    "sft.learning_rate": 0.7,
    "sft.epochs": 3,
    "model.adaptation": "lora",
    "model.lora.r": 8,
    "model.lora.target_modules": ["q_proj", "v_proj"],
    "model.base": "data/base/other folder/{task}",
    "task.field_map": "prompt",
    "task.response_words": 79,
    "task.field_size": 5,
}
PAIRS = [{a: CHANGES[a], b: CHANGES[b]} for a in CHANGES for b in CHANGES if a <= b]


def test_name_says_every_difference():
    """Runs of main and changed runs of longer, which start from the same models, never mix."""
    seen: dict[str, str] = {}
    for changes in [{}, *PAIRS]:
        study = study_of({"experiments.longer.overrides": changes}, only="main longer")
        for member in study.members["longer"]:
            run = member.run
            for key, value in changes.items():
                if key.startswith("rl.") and isinstance(run, SftRun):
                    continue
                section, *rest = key.split(".")
                settings = getattr(run.settings, section)
                for name in rest:
                    settings = getattr(settings, name)
                assert settings == value, f"{run.name} is not what longer asked for: {key}"
        for run in runs_of(study).values():
            assert seen.setdefault(run.name, identity(run)) == identity(run), run.name
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.=+-]*", run.name)
    assert len(set(seen.values())) == len(seen), "one run has two names"


# ---- what is shared ---------------------------------------------------------------------------


def test_the_default_run_of_robustness_is_the_main_run():
    study = study_of()
    main = {(m.model, m.stage, m.run.name): m.run for m in study.members["main"]}
    defaults = [m for m in study.members["robustness"] if m.condition == "default"]
    assert len(defaults) == 2 * (3 + 1 + 1), "SFT and RL of FB on three seeds, F and B on one"
    for member in defaults:
        assert member.run is main[member.model, member.stage, member.run.name]


def test_experiments_share_the_runs_that_are_alike():
    study = study_of()
    main = names(m.run for m in study.members["main"])
    fb = {f"FB-s{seed}{rl}" for seed in (0, 1, 2) for rl in ("", "-rl6-9")}
    shared = {name: names(m.run for m in study.members[name]) & main for name in EXPERIMENTS}
    assert shared["amplification"] == {name for name in fb if name.endswith("-rl6-9")}
    assert shared["diversity"] == {f"{m}{name[2:]}" for m in ("F", "B", "FB") for name in fb}
    assert shared["longer"] == fb
    assert shared["field13"] == shared["composition"] == set()


def test_a_change_to_what_already_holds_is_no_difference():
    plain = study_of(only="main longer")
    same = study_of(
        {
            "experiments.longer.overrides": {
                "rl.group_size": 8,
                "rl.kl_coefficient": 0,
                "sft.epochs": 16,
                "task.field_size": 11,
            },
        },
        only="main longer",
    )
    assert set(runs_of(same)) == set(runs_of(plain))


def test_a_longer_response_with_the_tokens_that_it_needs_is_a_change_of_sft():
    """Either alone is refused; the rollouts of the SFT model have the same limit as those of RL."""
    longer = {"task.response_words": 100, "rl.max_new_tokens": 100}
    study = study_of({"experiments.longer.overrides": longer}, only="longer")
    suffix = "-max_new_tokens=100-response_words=100"
    assert set(study.sft_runs) == {f"FB-s{seed}{suffix}" for seed in (0, 1, 2)}
    assert {run.settings.rl.max_new_tokens for run in runs_of(study).values()} == {100}
    assert set(study.rl_runs) == {
        f"{sft}-rl{rl}" for sft in study.sft_runs for rl in ("6-9", "6-15")
    }


def test_an_axis_with_the_study_s_own_value_is_the_default_run():
    axes = {"rl.group_size": [8], "sft.learning_rate": [SETTINGS.sft.learning_rate]}
    study = study_of({"experiments.robustness.axes": axes}, only="robustness")
    default = {m.run.name for m in study.members["robustness"] if m.condition == "default"}
    assert set(runs_of(study)) == default | names(run.sft for run in study.rl_runs.values())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_change_of_rl_makes_no_new_sft_run(name):
    key = f"experiments.{name}.overrides"
    plain, changed = study_of(), study_of({key: {"rl.kl_coefficient": 0.3}})
    assert set(changed.sft_runs) == set(plain.sft_runs)
    new = [run for rl, run in changed.rl_runs.items() if rl not in plain.rl_runs]
    assert new
    for run in new:
        assert "-kl_coefficient=0.3" in run.name
        assert run.settings.rl.kl_coefficient == 0.3
        assert identity(run.sft) == identity(plain.sft_runs[run.sft.name]), "the very same model"


@pytest.mark.parametrize("key", ["sft.epochs", "model.threads"])
def test_a_change_of_sft_or_model_makes_new_sft_runs_and_new_rl_runs_from_them(key):
    plain = study_of()
    changed = study_of({"experiments.longer.overrides": {key: 3}})
    last = key.split(".")[1]
    assert set(changed.sft_runs) - set(plain.sft_runs) == {f"FB-s{s}-{last}=3" for s in (0, 1, 2)}
    new = set(changed.rl_runs) - set(plain.rl_runs)
    assert new == {f"FB-s{s}-{last}=3-rl{rl}" for s in (0, 1, 2) for rl in ("6-9", "6-15")}


@pytest.mark.parametrize("tier", TIERS)
def test_runs_of_a_seed_are_of_one_family_exactly_if_they_start_from_one_sft_model(tier):
    runs = runs_of(Study(load_tier(tier))).values()
    pairs = {((run.sft.family, run.seed), run.sft.name) for run in runs}
    families, models = map(set, zip(*pairs, strict=True))
    assert len(families) == len(models) == len(pairs)


def test_a_family_is_the_sft_run_without_its_seed():
    members = study_of(only="robustness").members["robustness"]
    families = {(member.model, member.condition): member.run.sft.family for member in members}
    assert families["FB", "default"] == families["FB", "rl.kl_coefficient=0.1"] == "FB"
    assert families["FB", "sft.learning_rate=0.002"] == "FB-learning_rate=0.002"
    assert families["F", "default"] == "F"


def test_every_seed_of_main_has_every_model_and_rl_from_it():
    study = study_of({"seeds": [3, 5]}, only="main")
    models = {f"{model}-s{seed}" for model in ("F", "B", "FB") for seed in (3, 5)}
    assert set(study.sft_runs) == models
    assert set(study.rl_runs) == {f"{m}-rl{steps}" for m in models for steps in ("2-5", "6-9")}
    assert all(
        run.sft is study.sft_runs[name.split("-rl")[0]] for name, run in study.rl_runs.items()
    )
    assert {run.seed for run in study.sft_runs.values()} == {3, 5}


def test_robustness_changes_one_setting_at_a_time():
    study = study_of(only="robustness")
    for member in study.members["robustness"]:
        if member.condition != "default":
            key, value = member.condition.split("=")
            # Only the main experiment samples checkpoints, so only its runs keep them.
            kept = {"rl.scored_steps": []} if isinstance(member.run, RlRun) else {}
            expected = override(SETTINGS, {key: yaml.safe_load(value), **kept})
            parts = ("task", "model", "sft", "rl")
            assert sections(member.run.settings, *parts) == sections(expected, *parts)
            assert isinstance(member.run, SftRun if key.startswith("sft.") else RlRun)
    seeds = {(m.model, m.run.seed) for m in study.members["robustness"]}
    assert seeds == {("FB", 0), ("FB", 1), ("FB", 2), ("F", 0), ("B", 0)}


# ---- experiments ------------------------------------------------------------------------------


def test_experiments_come_in_the_order_of_the_configuration():
    assert list(study_of().members) == EXPERIMENTS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_disabled_alone(name):
    full, without = study_of(), study_of({f"experiments.{name}.enabled": False})
    assert list(without.members) == [other for other in EXPERIMENTS if other != name]
    for other, members in without.members.items():
        assert roles(members) == roles(full.members[other]), "the others do not change"
    needed = {m.run.name for members in without.members.values() for m in members}
    needed |= {run.sft.name for run in without.rl_runs.values()}
    assert set(runs_of(without)) == needed


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_run_alone(name):
    full, alone = study_of(), study_of(only=name)
    assert list(alone.members) == [name]
    assert roles(alone.members[name]) == roles(full.members[name])
    assert full.members[name] != []


def test_a_study_without_experiments_has_no_runs():
    study = study_of({f"experiments.{name}.enabled": False for name in EXPERIMENTS})
    assert (study.members, runs_of(study)) == ({}, {})


# ---- data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", TIERS)
def test_every_run_of_the_grid_has_data_that_can_be_drawn(tier):
    study = Study(load_tier(tier))
    for run in study.sft_runs.values():
        mix = run.data.mix
        assert isinstance(mix, Compositions) or mix.draw_strategy(Random(0)) in STRATEGIES
        assert run.data.heldout in study.validation_kinds
    for run in study.rl_runs.values():
        mix = run.prompts.mix
        assert min(mix.parts if isinstance(mix, Compositions) else mix.steps) >= 1


@pytest.mark.parametrize(
    ("name", "share"),
    [("F", 0.0), ("B", 1.0), ("FB", 0.5), ("back10", 0.1), ("back90", 0.9), ("back2.5", 0.025)],
)
def test_sft_data_are_named_by_their_share_of_backward(name, share):
    data = study_of({"data.sft_steps": {"low": 3, "high": 4}}).settings.data
    made = SftData.singles(data, share)
    assert made.name == name
    assert made.mix == SolvedSingles(share, (3, 4))


def test_sft_data_of_compositions_have_the_parts_of_the_experiment():
    runs = study_of(only="composition").sft_runs
    assert runs["atomic-s0"].data.mix == Compositions((1,), (1, 2))
    assert runs["pairs-s0"].data.mix == Compositions((1, 2), (1, 2))


def test_an_experiment_whose_prompts_ask_for_any_part_has_data_and_a_base_of_its_own():
    overrides = {"task.asks": "any", "sft.epochs": 4}
    examples = {"experiments.composition.sft_examples": 9000}
    study = study_of({"experiments.composition.overrides": overrides, **examples})
    run = study.sft_runs["pairs-s0-epochs=4-asks=any"]
    assert study.sft_file(run) == "data/laptop/gf11-asks=any/sft-pairs-s0.jsonl"
    assert study.base_folder(run) == "data/base/gf11-asks=any/model"
    assert study.base_folder(study.sft_runs["FB-s0"]) == "data/base/gf11/model"
    assert set(study.base_tasks) == {"gf11", "gf13", "gf11-asks=any"}
    asks = {name: study.base_settings(name).task.asks for name in study.base_tasks}
    assert asks == {"gf11": "last", "gf13": "last", "gf11-asks=any": "any"}
    assert run.data.n_examples == 9000
    assert study.sft_runs["FB-s0"].data.n_examples == SETTINGS.data.sft_examples


def test_a_field_without_a_shipped_base_model_trains_its_own():
    study = study_of({"task.field_size": 7})
    trained = {study.base_folder(run) for run in study.sft_runs.values()}
    assert trained == {"results/laptop/base/gf7/model", "data/base/gf13/model"}
    assert study.unshipped_base_models == ["gf7"]
    study.require_base_models()
    assert study_of().unshipped_base_models == []


@pytest.mark.parametrize(
    ("steps", "share", "name", "mix"),
    [
        ((2, 5), None, "2-5", PromptSingles((2, 3, 4, 5), 0.4)),
        ((6, 6), None, "6-6", PromptSingles((6,), 0.4)),
        ((6, 15), 0.4, "6-15", PromptSingles(tuple(range(6, 16)), 0.4)),
        ((6, 9), 0.75, "6-9-eval75", PromptSingles((6, 7, 8, 9), 0.75)),
        ((6, 9), 0.0, "6-9-eval0", PromptSingles((6, 7, 8, 9), 0.0)),
    ],
)
def test_prompts_are_named_by_their_steps_and_a_share_of_their_own(steps, share, name, mix):
    data = study_of({"data.rl_evaluation_share": 0.4}).settings.data
    prompts = Prompts.singles(data, Range(low=steps[0], high=steps[1]), share)
    assert (prompts.name, prompts.mix) == (name, mix)
    assert prompts.stage == f"RL({steps[0]}-{steps[1]})"


def test_prompts_of_compositions_are_named_by_their_parts():
    data, parts, steps = SETTINGS.data, Range(low=3, high=5), Range(low=1, high=2)
    prompts = Prompts.compositions(data, parts, steps)
    assert (prompts.name, prompts.stage) == ("3-5-parts", "RL(3-5-parts)")
    assert prompts.mix == Compositions((3, 4, 5), (1, 2))


def test_conditions_name_the_shares_of_an_experiment():
    shares = [0.0, 0.05, 0.123, 0.5, 0.9, 1.0]
    study = study_of(
        {
            "experiments.amplification.evaluation_shares": shares,
            "experiments.diversity.backward_shares": shares,
        }
    )
    for member in study.members["amplification"]:
        assert member.condition == percent(member.run.prompts.mix.evaluation_share)
    for member in study.members["diversity"]:
        assert member.condition == percent(member.run.sft.data.mix.backward_share)
    for name in ("amplification", "diversity"):
        assert {m.condition for m in study.members[name]} == set(map(percent, shares))


TASKS = [
    {},
    {"task.field_size": 13},
    {"task.field_map": "prompt"},
    {"task.field_map": "prompt", "task.field_size": 13},
    {"task.response_words": 79},
    {"task.n_variables": 19},
    {"task.n_variables": 20},
]


def test_data_folders_differ_exactly_when_the_settings_of_the_task_differ():
    study = study_of()
    others = [{"rl.steps": 500}, {"sft.epochs": 2}, {"model.threads": 2}, {"seeds": [7]}]
    words = {"task.response_words": 120, "rl.max_new_tokens": 360}
    tasks = [*TASKS, words, {**words, "task.text": "natural"}]
    folders = [data_folder(study.settings, override(SETTINGS, task)) for task in tasks]
    assert folders[0] == "data/laptop/gf11"
    assert len(set(folders)) == len(tasks)
    for other in others:
        changed = [override(SETTINGS, {**task, **other}) for task in tasks]
        assert [data_folder(study.settings, each) for each in changed] == folders


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_runs_read_the_data_of_their_own_task(task):
    study = study_of({"experiments.longer.overrides": task}, only="main longer")
    changed = override(SETTINGS, task)
    for member in study.members["longer"]:
        sft = member.run.sft
        assert sft.data_folder == data_folder(study.settings, changed)
        assert sft.settings.task == member.run.settings.task == changed.task


def test_validation_sets_cover_what_the_experiments_ask_for():
    study = study_of()
    assert study.validation_kinds == {
        "steps": Singles((2, 3, 4, 5, 6, 7, 8, 9)),
        "longer": Singles((10, 11, 12, 13, 14, 15)),
        "parts": Compositions((1, 2, 3, 4, 5, 6), (1, 2)),
    }


def test_tiers_keep_their_data_and_results_apart():
    study = study_of({"tier": "other"})
    assert study.results == "results/other"
    assert data_folder(study.settings, study.settings) == "data/other/gf11"


def test_pass_at_k_is_of_the_main_experiment_and_checkpoints_of_its_fb_alone():
    study = study_of()
    for name, members in study.members.items():
        for member in members:
            assert ("pass_at_k" in member.evaluations) == (name == "main")
            scored = name == "main" and isinstance(member.run, RlRun) and member.model == "FB"
            assert ("checkpoints" in member.evaluations) == scored
    unscored = study_of({"rl.scored_steps": []}, only="main")
    assert all("checkpoints" not in m.evaluations for m in unscored.members["main"])


def test_what_shows_most_runs_first():
    study = study_of()
    order = sorted(study.priorities, key=study.priorities.get, reverse=True)
    assert order[:3] == ["FB-s0", "FB-s0-rl2-5", "FB-s0-rl6-9"]
    main = {member.run.name for member in study.members["main"]}
    assert set(order[: len(main)]) == main
    last = order[len(main) - 1]
    assert study.sampling_priority("FB-s0", "steps") == study.priorities["FB-s0"]
    for evaluation in ("pass_at_k", "checkpoints"):
        assert study.sampling_priority("FB-s0", evaluation) <= study.priorities[last]
        assert study.sampling_priority("FB-s0", evaluation) > study.priorities[order[len(main)]]


def test_the_collections_of_selection_hold_the_hardest_rl_of_fb():
    study = study_of({"seeds": [3, 1]}, only="main")
    collections = ("first-seed", "selection")
    names = {name: [m.run.name for m in study.collections[name]] for name in collections}
    assert names == {
        "first-seed": ["FB-s1-rl6-9"],
        "selection": ["FB-s1-rl6-9", "FB-s3-rl6-9"],
    }
    assert study.hardest_run.name == "FB-s1-rl6-9"
    for run in study.rl_trained("selection"):
        assert str(run.rollouts) == f"{study.results}/rl/{run.name.run}/rollouts.csv"
    assert study.evaluations_of("main") == ["steps", "pass_at_k", "exact", "checkpoints"]
    of_passes = study.evaluations["pass_at_k"].size
    assert of_passes
    assert of_passes.longer_than == study.settings.data.sft_steps.high
    assert "FB-s1" not in [each.name.run for each in study.scored_exactly("main", "checkpoints")]


def test_an_experiment_can_have_the_first_seeds_alone_and_an_axis_more():
    study = study_of(
        {
            "seeds": [3, 1, 2],
            "experiments.amplification.n_seeds": 1,
            "experiments.robustness.n_seeds": 1,
            "experiments.robustness.n_seeds_of_axis": {"rl.kl_coefficient": 2},
        }
    )
    assert {member.run.seed for member in study.members["main"]} == {1, 2, 3}
    assert {member.run.seed for member in study.members["amplification"]} == {3}
    changed = {
        (member.model, member.condition.partition("=")[0]): set()
        for member in study.members["robustness"]
    }
    for member in study.members["robustness"]:
        changed[member.model, member.condition.partition("=")[0]].add(member.run.seed)
    assert changed["FB", "rl.kl_coefficient"] == {3, 1}
    assert changed["FB", "rl.group_size"] == {3}
    assert changed["F", "rl.kl_coefficient"] == changed["F", "default"] == {3}
