"""The configuration: what is valid loads, and what is not is refused in one clear line."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import merge
from workflow_scripts.plan.configuration import ConfigurationError, validate
from workflow_scripts.plan.configuration_page import render
from workflow_scripts.plan.settings import Settings
from workflow_scripts.settings.overrides import override

CONFIG = Path(__file__).parents[2] / "config"
DEFAULT = CONFIG / "default.yaml"
TIERS = sorted(CONFIG.glob("*.yaml"))


# The tests below name these values, whatever the recipe of the laptop tier.
PINNED = """
task: { n_variables: 18 }
data: { sft_steps: { low: 2, high: 5 } }
base: { hidden_size: 96 }
sft: { batch_size: 32, micro_batch_size: 32 }
rl: { steps: 300, batch_size: 128, micro_batch_size: 128, group_size: 8, scored_steps: [20, 100] }
"""


def load(*files: Path) -> Settings:
    config: dict = {}
    for file in files:
        config = merge(config, yaml.safe_load(file.read_text()) or {})
    return validate(config, list(files))


def nested(key: str, value: Any) -> dict:
    """a.b: 1 -> {a: {b: 1}}"""
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


@pytest.fixture
def refusal(tmp_path):
    """The one line by which a tier file that sets some keys is refused, and that file's path."""

    def refuse(changes: dict[str, Any]) -> tuple[str, str]:
        text: dict = {}
        for key, value in changes.items():
            text = merge(text, nested(key, value))
        pinned, tier = tmp_path / "pinned.yaml", tmp_path / "tier.yaml"
        pinned.write_text(PINNED)
        tier.write_text(yaml.safe_dump(text))
        with pytest.raises(ConfigurationError) as error:
            load(DEFAULT, pinned, tier)
        return str(error.value), str(tier)

    return refuse


@pytest.mark.parametrize("tier", TIERS, ids=lambda path: path.stem)
def test_every_tier_is_valid(tier):
    settings = load(DEFAULT, tier)
    assert settings.tier == ("laptop" if tier == DEFAULT else tier.stem)


def test_default_holds_the_values_of_its_file():
    settings = load(DEFAULT)
    assert settings.model_dump(exclude_unset=True) == yaml.safe_load(DEFAULT.read_text())


BAD_INPUT = {
    # a mistyped key
    "mistyped key": ("rl.group_sise", 8, "no such key; "),
    "mistyped section": (
        "experimets",
        {},
        "known here: tier, seeds, checkpoint_",
    ),
    "mistyped experiment": ("experiments.mian", {}, "no such key; did you mean main? "),
    "mistyped key of an experiment": ("experiments.longer.rl_step", 3, "known here: enabled, "),
    "key in the wrong section": ("sft.group_size", 8, "no such key; "),
    # a wrong type
    "text for a number": ("sft.epochs", "many", "input should be a valid integer"),
    "text for a rate": ("rl.learning_rate", "fast", "input should be a valid number"),
    "fraction for a count": ("rl.steps", 2.5, "input should be a valid integer"),
    "true for a count": ("model.threads", True, "valid number, not yes or no"),
    "number for a section": ("rl", 5, "input should be a valid dictionary"),
    "number for a list": ("seeds", 3, "input should be a valid list"),
    "nothing for a number": ("sft.warmup_steps", None, "input should be a valid integer"),
    "text for yes or no": ("experiments.main.enabled", "so", "input should be a valid boolean"),
    "neither list nor name": ("model.lora.target_modules", 3, "input should be a valid list"),
    # an impossible value
    "negative size": ("data.sft_examples", -1, "greater than or equal to 1"),
    "zero size": ("base.layers", 0, "greater than or equal to 1"),
    "negative seed": ("sampling.seed", -1, "greater than or equal to 0"),
    "no seeds": ("seeds", [], "at least 1 item"),
    "negative rate": ("sft.learning_rate", -0.1, "greater than 0"),
    "infinite rate": ("sft.learning_rate", float("inf"), "finite number"),
    "rate that is no number": ("rl.kl_coefficient", float("nan"), "finite number"),
    "share above 1": ("data.rl_evaluation_share", 1.5, "less than or equal to 1"),
    "unknown name": ("rl.lr_schedule", "cosin", "'constant', 'linear' or 'cosine'"),
    "group of one": ("rl.group_size", 1, "greater than or equal to 2"),
    "top_p of nothing": ("rl.top_p", 0.0, "greater than 0"),
    "certain interval": ("statistics.confidence", 1.0, "less than 1"),
    "tier that is no folder": ("tier", "../other", "match pattern"),
    "no RL steps": ("experiments.main.rl_steps", [], "at least 1 item"),
    # values that do not fit together
    "composite p": ("task.field_size", 12, "a prime (GF(p) needs a prime p, and 12 = 2 * 6)"),
    "negative p": ("task.field_size", -11, "a prime (GF(p) needs a prime p, and -11 < 2)"),
    "p of one": ("task.field_size", 1, "a prime (GF(p) needs a prime p, and 1 < 2)"),
    "p beyond the symbols": ("task.field_size", 10_007, "at most 10000"),
    "composite p of an experiment": ("experiments.field13.field_size", 15, "a prime (GF(p) "),
    "group size that does not divide the batch": (
        "rl.group_size",
        7,
        "a divisor of batch_size, which is 128",
    ),
    "micro batch that does not divide the batch": (
        "sft.micro_batch_size",
        5,
        "a divisor of batch_size, which is 32",
    ),
    "heads that do not divide the model": (
        "base.heads",
        5,
        "a divisor of hidden_size, which is 96",
    ),
    "SFT steps beyond the variables": ("data.sft_steps.high", 18, "at most 17 steps"),
    "validation steps beyond the variables": ("data.validation_steps.high", 18, "at most 17 steps"),
    "corpus steps beyond the variables": ("base.corpus.program_steps", 18, "at most 17 steps"),
    "longer steps beyond the variables": (
        "experiments.longer.rl_steps.high",
        18,
        "at most 17 steps, one less than task.n_variables",
    ),
    "parts beyond the variables": (
        "experiments.composition.part_steps.high",
        3,
        "6 parts must fit into task.n_variables, which is 18",
    ),
    "range upside down": ("data.sft_steps.low", 6, "at most high, which is 5"),
    "responses too short for a guess": (
        "task.response_words",
        35,
        "at least 78, the words of a solution of 15 steps",
    ),
    "responses longer than the limit of tokens": (
        "rl.max_new_tokens",
        79,
        "at least 81: 1 for each of task.response_words",
    ),
    "the same seed twice": ("seeds", [0, 0], "values that differ from each other"),
    "subset larger than its set": (
        "sampling.pass_at_k.n_problems",
        1025,
        "at most data.validation_problems, which is 1024",
    ),
    "longer problems that are not longer": (
        "experiments.longer.rl_steps.high",
        9,
        "more than data.validation_steps.high, which is 9",
    ),
    "checkpoint after the end": ("rl.scored_steps", [20, 300], "steps below rl.steps"),
}


@pytest.mark.parametrize(("key", "value", "allowed"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_one_line_with_file_key_value_and_what_is_allowed(
    refusal, key, value, allowed
):
    line, file = refusal({key: value})
    assert "\n" not in line
    assert file in line.split(": ")[0], "the tier's file, not the default's"
    assert f": {key}: {value}: " in line
    assert allowed in line.split(f": {key}: {value}: ")[1]


def at_first(value: dict) -> list[dict]:
    """A list of ranges of RL steps of which the first is bad."""
    return [value, {"low": 2, "high": 3}]


BAD_INPUT_INSIDE = {
    "mistyped key of a list's element": (
        {"experiments.main.rl_steps": at_first({"low": 2, "hihg": 5})},
        "experiments.main.rl_steps.0.hihg: 5: no such key; did you mean high? known here: low",
    ),
    "mistyped key of a named range": (
        {"experiments.composition.sft_parts": {"atomic": {"low": 1, "hihg": 1}}},
        "experiments.composition.sft_parts.atomic.hihg: 1: no such key; did you mean high? ",
    ),
    "words of the natural form": (
        {"task.text": "natural", "task.response_words": 116},
        "task.response_words: 116: at least 117, the words of a solution of 6 parts",
    ),
    "tokens of the natural form": (
        {"task.text": "natural", "task.response_words": 120, "rl.max_new_tokens": 359},
        "rl.max_new_tokens: 359: at least 360: 3 for each of task.response_words",
    ),
    "mistyped key of an optional section": (
        {"model.hub": {"repository": "a/b", "revison": "0" * 40}},
        f"model.hub.revison: {'0' * 40}: no such key; did you mean revision? known here: ",
    ),
    "missing key": (
        {"model.hub": {"repository": "a/b"}},
        "model.hub.revision: (missing): a value is required",
    ),
    "branch for a revision": (
        {"model.hub": {"repository": "a/b", "revision": "main"}},
        "model.hub.revision: main: string should match pattern",
    ),
    "steps of a list's element beyond the variables": (
        {"experiments.main.rl_steps": at_first({"low": 2, "high": 20})},
        "experiments.main.rl_steps.0.high: 20: at most 17 steps",
    ),
    "unknown model": (
        {"experiments.longer.models": ["FB", "BF"]},
        "experiments.longer.models.1: BF: input should be 'F', 'B' or 'FB'",
    ),
    "impossible override": (
        {"experiments.longer.overrides": {"rl.group_size": 7}},
        "experiments.longer.overrides.rl.group_size: 7: a divisor of batch_size, which is 128",
    ),
    "mistyped override": (
        {"experiments.longer.overrides": {"rl.group_sise": 8}},
        "experiments.longer.overrides.rl.group_sise: 8: a key of the configuration",
    ),
    "override of the wrong type": (
        {"experiments.longer.overrides": {"rl.learning_rate": "fast"}},
        "experiments.longer.overrides.rl.learning_rate: fast: input should be a valid number",
    ),
    "override that does not fit another setting": (
        {"experiments.longer.overrides": {"rl.steps": 50}},
        "experiments.longer.overrides.rl.steps: 50: impossible with "
        "rl.scored_steps = [20, 100], which must be steps below rl.steps, which is 50",
    ),
    "override of what is no run's": (
        {"experiments.longer.overrides": {"data.sft_examples": 8}},
        "experiments.longer.overrides: data.sft_examples: keys of task, model, sft, rl",
    ),
    "override of a whole section": (
        {"experiments.longer.overrides": {"rl": {"steps": 300}}},
        "experiments.longer.overrides: rl: keys of task, model, sft, rl",
    ),
    "impossible value of an axis": (
        {"experiments.robustness.axes": {"rl.group_size": [4, 7]}},
        "experiments.robustness.axes.rl.group_size: 7: a divisor of batch_size, which is 128",
    ),
    "mistyped axis": (
        {"experiments.robustness.axes": {"rl.group_sise": [4]}},
        "experiments.robustness.axes.rl.group_sise: 4: a key of the configuration",
    ),
    "axis of what is no run's": (
        {"experiments.robustness.axes": {"seeds": [4]}},
        "experiments.robustness.axes: seeds: keys of task, model, sft, rl",
    ),
    "axis impossible with an override of its experiment": (
        {
            "experiments.robustness.overrides": {"rl.batch_size": 24, "rl.micro_batch_size": 24},
            "experiments.robustness.axes": {"rl.group_size": [8, 16]},
        },
        "experiments.robustness.axes.rl.group_size: 16: a divisor of batch_size, which is 24",
    ),
    "value of several lines": (
        {"tier": "a\nb"},
        "tier: a b: string should match pattern",
    ),
}


@pytest.mark.parametrize(("changes", "expected"), BAD_INPUT_INSIDE.values(), ids=BAD_INPUT_INSIDE)
def test_bad_input_inside_lists_and_experiments_is_named_by_its_place(refusal, changes, expected):
    line, file = refusal(changes)
    assert "\n" not in line
    named, rest = line.split(": ", 1)
    assert file in named
    assert rest.startswith(expected)


@pytest.mark.parametrize("key", ["seeds", "task.field_size", "rl.temperature", "experiments.main"])
def test_a_key_that_no_file_sets_is_missed_by_name(tmp_path, key):
    config = yaml.safe_load(DEFAULT.read_text())
    *sections, last = key.split(".")
    section = config
    for name in sections:
        section = section[name]
    del section[last]
    file = tmp_path / "default.yaml"
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigurationError) as error:
        load(file)
    assert f"{file}: {key}: (missing): a value is required" in str(error.value)


def test_last_file_that_sets_the_key_is_named(tmp_path):
    first, second, third = (tmp_path / f"{name}.yaml" for name in ("first", "second", "third"))
    first.write_text("rl: { group_size: 6 }")
    second.write_text("rl: { group_size: 7 }")
    third.write_text("rl: { steps: 400 }")

    def named(*files: Path) -> str:
        with pytest.raises(ConfigurationError) as error:
            load(*files)
        return str(error.value).split(": ")[0]

    assert named(DEFAULT, first) == str(first)
    assert named(DEFAULT, first, second) == str(second)
    assert named(DEFAULT, second, first) == str(first)
    assert named(DEFAULT, first, second, third) == str(second)
    assert named(DEFAULT, first, third) == str(first)


def test_a_key_of_no_file_comes_from_the_command_line():
    config = merge(yaml.safe_load(DEFAULT.read_text()), nested("rl.group_sise", 8))
    with pytest.raises(ConfigurationError, match=r"^command line: rl\.group_sise"):
        validate(config, [DEFAULT])


def test_a_value_from_the_command_line_is_not_blamed_on_a_file():
    config = merge(yaml.safe_load(DEFAULT.read_text()), nested("rl.group_size", "7"))
    with pytest.raises(ConfigurationError, match=r"^command line: rl\.group_size: 7: a divisor"):
        validate(config, [DEFAULT])


def test_numbers_from_the_command_line_are_text_and_are_read_as_numbers():
    config = merge(yaml.safe_load(DEFAULT.read_text()), nested("rl.learning_rate", "5e-4"))
    assert validate(config, [DEFAULT]).rl.learning_rate == 5e-4


def test_validation_leaves_the_configuration_as_it_was():
    config = yaml.safe_load(DEFAULT.read_text())
    before = deepcopy(config)
    validate(config, [DEFAULT])
    assert config == before


def test_settings_cannot_be_changed_by_accident():
    settings = load(DEFAULT)
    with pytest.raises(ValueError, match="frozen"):
        settings.rl.steps = 1


def test_override_changes_the_named_settings_alone():
    settings = load(DEFAULT)
    changed = override(settings, {"rl.group_size": 2, "model.lora.r": 8, "task.field_size": 13})
    assert changed.rl.group_size == 2
    assert changed.model.lora.r == 8
    assert changed.task.field_size == 13
    assert settings == load(DEFAULT)
    rl, lora, task = settings.rl, settings.model.lora, settings.task
    back = {
        "rl.group_size": rl.group_size,
        "model.lora.r": lora.r,
        "task.field_size": task.field_size,
    }
    assert override(changed, back) == settings


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("rl.group_size", 7, "a divisor of batch_size"),
        ("task.field_size", 12, "12 = 2 \\* 6"),
        ("task.n_variables", 10, "one less than task.n_variables"),
        ("rl.group_sise", 8, "a key of the configuration"),
        ("r1.group_size", 8, "a key of the configuration"),
        ("tier.name", "x", "a key of the configuration"),
        ("rl.group_size.x", 8, "a key of the configuration"),
    ],
)
def test_override_is_validated(key, value, complaint):
    with pytest.raises(ValueError, match=complaint):
        override(load(DEFAULT), {key: value})


def test_the_page_of_all_settings_is_that_of_their_descriptions():
    page = (CONFIG.parent / "docs/configuration.md").read_text()
    assert page == render(yaml.safe_load(DEFAULT.read_text())), "make configuration-page"


def test_every_setting_is_described():
    empty = [line for line in render({}).splitlines() if line.endswith("|  |")]
    assert empty == []
