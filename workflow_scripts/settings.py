"""The validated configuration: what may be set, and what each value may be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workflow_scripts.task.field import make_field
from workflow_scripts.task.strategies import max_guesses

Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
Schedule = Literal["constant", "linear", "cosine"]
ModelName = Literal["F", "B", "FB"]

# The share of backward solutions in the SFT data of each model of the paper.
BACKWARD_SHARE = {"F": 0.0, "B": 1.0, "FB": 0.5}


# The sections of the configuration that define a run, and that an experiment may change.
RUN_SECTIONS = ("task", "model", "sft", "rl")


class ConfigurationError(Exception):
    """One line: file, key, value and what is allowed."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _require(condition: bool, key: str, value: Any, allowed: str) -> None:
    if not condition:
        raise ValueError(f"{key}\x1f{value}\x1f{allowed}")


class Range(Section):
    """From low to high, both included."""

    low: Count
    high: Count

    @model_validator(mode="after")
    def _ordered(self):
        _require(self.low <= self.high, "low", self.low, f"at most high, which is {self.high}")
        return self

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"

    def values(self) -> list[int]:
        return list(range(self.low, self.high + 1))


class Task(Section):
    field_size: Annotated[int, Field(le=10_000)]  # task.text reads e0 .. e9999 and x0 .. x9999
    n_variables: Annotated[Count, Field(le=10_000)]
    field_map: Literal["hidden", "prompt"]
    response_words: Count

    @model_validator(mode="after")
    def _prime(self):
        try:
            make_field(self.field_size)
        except ValueError as error:
            _require(False, "field_size", self.field_size, f"a prime ({error})")
        return self


class Data(Section):
    sft_examples: Count
    sft_steps: Range
    rl_prompts: Count
    rl_evaluation_share: Share
    validation_problems: Count
    validation_steps: Range


class Corpus(Section):
    facts: Share
    lines: Share
    lists: Share
    program_steps: Count
    heldout_documents: Count


class Base(Section):
    """The base model of the offline tiers. Its corpus is endless: every step sees new documents."""

    hidden_size: Count
    layers: Count
    heads: Count
    mlp_size: Count
    initializer_range: Positive
    steps: Count
    batch_size: Count
    learning_rate: Positive
    warmup_steps: int = Field(ge=0)
    weight_decay: NonNegative
    seed: Seed
    corpus: Corpus

    @model_validator(mode="after")
    def _heads(self):
        allowed = f"a divisor of hidden_size, which is {self.hidden_size}"
        _require(self.hidden_size % self.heads == 0, "heads", self.heads, allowed)
        return self


class Lora(Section):
    r: Count
    alpha: Count
    dropout: Share
    target_modules: list[str] | Literal["all-linear"]


class Hub(Section):
    repository: str
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")


class Model(Section):
    base: str  # the folder of the base model, with {p} for the size of the field
    hub: Hub | None = None  # where `fetch_model` gets that folder from
    adaptation: Literal["full", "lora"]
    lora: Lora
    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]
    threads: Count


class Optimization(Section):
    batch_size: Count
    micro_batch_size: Count
    learning_rate: Positive
    lr_schedule: Schedule
    warmup_steps: int = Field(ge=0)
    weight_decay: NonNegative
    max_grad_norm: Positive

    @model_validator(mode="after")
    def _micro_batches(self):
        allowed = f"a divisor of batch_size, which is {self.batch_size}"
        divides = self.batch_size % self.micro_batch_size == 0
        _require(divides, "micro_batch_size", self.micro_batch_size, allowed)
        return self


class Sft(Optimization):
    epochs: Count


class Rl(Optimization):
    """GRPO. batch_size counts completions; every step updates once on fresh rollouts."""

    steps: Count
    group_size: Annotated[int, Field(ge=2)]
    kl_coefficient: NonNegative
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    top_k: int = Field(ge=0)
    clip_epsilon: Positive
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo"]
    scale_rewards: Literal["group", "batch", "none"]
    max_new_tokens: Count
    scored_steps: list[Count]

    @model_validator(mode="after")
    def _groups(self):
        allowed = f"a divisor of batch_size, which is {self.batch_size}"
        _require(self.batch_size % self.group_size == 0, "group_size", self.group_size, allowed)
        allowed = f"steps below rl.steps, which is {self.steps}"
        _require(
            max(self.scored_steps, default=0) < self.steps,
            "scored_steps",
            self.scored_steps,
            allowed,
        )
        return self


class PassAtK(Section):
    n_problems: Count
    n_samples: Count


class Sampling(Section):
    validation: Literal["dev", "final"]
    n_samples: Count
    n_samples_checkpoint: Count
    pass_at_k: PassAtK
    temperature: Positive
    batch_size: Count
    seed: Seed


class Statistics(Section):
    bootstrap_resamples: Count
    confidence: Annotated[float, Field(gt=0, lt=1)]
    seed: Seed


class Experiment(Section):
    """An experiment may override settings of its own runs by dotted keys, `rl.steps: 300`."""

    enabled: bool = True
    overrides: dict[str, Any] = {}

    @model_validator(mode="after")
    def _of_runs(self):
        for key in (*self.overrides, *getattr(self, "axes", {})):
            allowed = f"keys of {', '.join(RUN_SECTIONS)}"
            name = "overrides" if key in self.overrides else "axes"
            _require(key.split(".")[0] in RUN_SECTIONS and "." in key, name, key, allowed)
        return self


class Main(Experiment):
    models: list[ModelName]
    rl_steps: Annotated[list[Range], Field(min_length=1)]


class Amplification(Experiment):
    evaluation_shares: list[Share]


class Composition(Experiment):
    part_steps: Range
    sft_parts: dict[str, Range]
    rl_parts: Range
    validation_parts: Range


class Diversity(Experiment):
    backward_shares: list[Share]


class Robustness(Experiment):
    axes: dict[str, list[Any]]  # dotted key -> values other than the study's own
    single_strategy_seeds: list[Seed]


class OtherField(Experiment):
    field_size: int
    models: list[ModelName]
    rl_steps: list[Range]


class Longer(Experiment):
    models: list[ModelName]
    rl_steps: Range


class Experiments(Section):
    main: Main
    amplification: Amplification
    composition: Composition
    diversity: Diversity
    robustness: Robustness
    field13: OtherField
    longer: Longer


class Settings(Section):
    tier: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    seeds: Annotated[list[Seed], Field(min_length=1)]
    task: Task
    data: Data
    base: Base
    model: Model
    sft: Sft
    rl: Rl
    sampling: Sampling
    statistics: Statistics
    experiments: Experiments

    @model_validator(mode="after")
    def _fits(self):
        """The variable names must hold every program, and the responses every solution."""
        longest = {
            "data.sft_steps.high": self.data.sft_steps.high,
            "data.validation_steps.high": self.data.validation_steps.high,
            "base.corpus.program_steps": self.base.corpus.program_steps,
            "experiments.longer.rl_steps.high": self.experiments.longer.rl_steps.high,
        }
        for experiment in ("main", "field13"):
            for i, steps in enumerate(getattr(self.experiments, experiment).rl_steps):
                longest[f"experiments.{experiment}.rl_steps.{i}.high"] = steps.high
        limit = self.task.n_variables - 1
        for key, steps in longest.items():
            allowed = f"at most {limit} steps, one less than task.n_variables"
            _require(steps <= limit, key, steps, allowed)
        composition = self.experiments.composition
        parts = max(
            composition.rl_parts.high,
            composition.validation_parts.high,
            *(parts.high for parts in composition.sft_parts.values()),
        )
        used = parts * (composition.part_steps.high + 1)
        _require(
            used <= self.task.n_variables,
            "experiments.composition.part_steps.high",
            composition.part_steps.high,
            f"{parts} parts must fit into task.n_variables, which is {self.task.n_variables}",
        )
        guesses = max_guesses(
            self.task.field_size, self.data.sft_steps.high, self.task.response_words
        )
        _require(
            guesses > 0,
            "task.response_words",
            self.task.response_words,
            f"enough for one guess of {self.data.sft_steps.high} steps",
        )
        return self


def override(settings: Settings, changes: dict[str, Any]) -> Settings:
    """Return the settings with some dotted keys changed, validated again."""
    values = settings.model_dump()
    for key, value in changes.items():
        *sections, last = key.split(".")
        section = values
        for name in sections:
            section = section.get(name) if isinstance(section, dict) else None
        if not isinstance(section, dict) or last not in section:
            raise ValueError(f"{key}\x1f{value}\x1fa key of the configuration")
        section[last] = value
    return Settings.model_validate(values)


def _section_at(keys: list[str]) -> type[Section]:
    """The section that holds these keys, those of lists and dictionaries among them."""
    section: type[Section] = Settings
    for key in keys:
        if key in section.model_fields:
            annotation = section.model_fields[key].annotation
            section = next(
                t for t in (annotation, *get_args(annotation)) if hasattr(t, "model_fields")
            )
    return section


def _describe(error: ValidationError | ValueError) -> tuple[str, Any, str]:
    """Key, value and what is allowed, of the first error."""
    if not isinstance(error, ValidationError):
        return tuple(str(error).split("\x1f"))
    errors = error.errors()
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    keys = [str(key) for key in first["loc"] if "[" not in str(key)]  # [: the name of a type
    if first["type"] == "extra_forbidden":
        known = ", ".join(_section_at(keys[:-1]).model_fields)
        return ".".join(keys), first["input"], f"no such key; known here: {known}"
    message = first["msg"]
    if "\x1f" in message:
        key, value, allowed = message.removeprefix("Value error, ").split("\x1f")
        return ".".join([*keys, key]), value, allowed
    if first["type"] == "missing":
        return ".".join(keys), "(missing)", "a value is required"
    return ".".join(keys), first["input"], message[0].lower() + message[1:]


def _holds(section: Any, key: str) -> bool:
    """Whether a section sets a dotted key; names of its own may hold dots (overrides, axes)."""
    if isinstance(section, list):
        section = dict(enumerate(section))
    if not isinstance(section, dict):
        return False
    return any(
        key == str(name) or (key.startswith(f"{name}.") and _holds(value, key[len(f"{name}.") :]))
        for name, value in section.items()
    )


def _file_of(key: str, files: list[Path]) -> str:
    """The last file that sets a key; none: the command line."""
    for file in reversed(files):
        if _holds(yaml.safe_load(file.read_text()), key):
            return str(file)
    return "command line or " + str(files[-1]) if files else "configuration"


def _variants(settings: Settings) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """What the experiments change for their runs: the changes, and the key that says so of each."""
    for name, experiment in settings.experiments:
        here = f"experiments.{name}"
        changes = dict(experiment.overrides)
        sources = {key: f"{here}.overrides.{key}" for key in changes}
        if isinstance(experiment, OtherField):
            changes["task.field_size"] = experiment.field_size
            sources["task.field_size"] = f"{here}.field_size"
        yield changes, sources
        for key, values in getattr(experiment, "axes", {}).items():
            for value in values:
                yield {**changes, key: value}, {**sources, key: f"{here}.axes.{key}"}


def _describe_change(
    error: ValueError, changes: dict[str, Any], sources: dict[str, str]
) -> tuple[str, Any, str]:
    """As _describe, naming the key by which an experiment changes the setting."""
    key, value, allowed = _describe(error)
    for changed, source in sources.items():
        if f"{key}.".startswith(f"{changed}."):
            return source + key.removeprefix(changed), value, allowed
    changed, source = list(sources.items())[-1]
    return source, changes[changed], f"impossible with {key} = {value}, which must be {allowed}"


def validate(config: dict, files: list[Path]) -> Settings:
    """Validate a merged configuration; files are those it was read from, the strongest last.

    Raises ConfigurationError with one line that names file, key, value and what is allowed.
    """
    try:
        settings = Settings.model_validate(config)
    except ValueError as error:
        raise _refusal(*_describe(error), files) from None
    for changes, sources in _variants(settings):
        try:
            override(settings, changes)
        except ValueError as error:
            raise _refusal(*_describe_change(error, changes, sources), files) from None
    return settings


def _refusal(key: str, value: Any, allowed: str, files: list[Path]) -> ConfigurationError:
    line = f"{_file_of(key, files)}: {key}: {value}: {allowed}"
    return ConfigurationError(" ".join(line.splitlines()))
