"""The settings of a study: what may be set, and what each value may be."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from workflow_scripts.task.field import make_field
from workflow_scripts.task.strategies import guess_and_check_words, solution_words
from workflow_scripts.task.text import FORMS, Form


def _not_a_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("input should be a valid number, not yes or no")
    return value


_Int = Annotated[int, BeforeValidator(_not_a_bool)]
_Float = Annotated[float, BeforeValidator(_not_a_bool)]
Count = Annotated[_Int, Field(ge=1)]
WholeNumber = Annotated[_Int, Field(ge=0)]
Seed = Annotated[_Int, Field(ge=0, le=2**32 - 1)]  # as torch and numpy take them
NonNegative = Annotated[_Float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[_Float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[_Float, Field(ge=0, le=1)]


def _in_hundredths_of_a_percent(value: float) -> float:
    if round(value, 4) != value:
        raise ValueError("at most four decimals, since names of runs and data hold it")
    return value


NamedShare = Annotated[Share, AfterValidator(_in_hundredths_of_a_percent)]


def _distinct(values: list) -> list:
    if any(value in values[:index] for index, value in enumerate(values)):
        raise ValueError("values that differ from each other")
    return values


Distinct = AfterValidator(_distinct)
Beta = Annotated[_Float, Field(ge=0, lt=1)]
Schedule = Literal["constant", "linear", "cosine"]
ModelName = Literal["F", "B", "FB"]

# The share of backward solutions in the SFT data of each model of the paper.
BACKWARD_SHARE = {"F": 0.0, "B": 1.0, "FB": 0.5}


# The sections of the configuration that define a run, and that an experiment may change.
RUN_SECTIONS = ("task", "model", "sft", "rl")


class Section(BaseModel):
    # Not strict: --config hands over every value as a string.
    model_config = ConfigDict(extra="forbid", frozen=True)


SEPARATOR = "\x1f"  # of key, value and what is allowed, in the errors of this module


def _require(condition: bool, key: str, value: Any, allowed: str) -> None:
    if not condition:
        raise ValueError(SEPARATOR.join((key, str(value), allowed)))


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
    text: Literal["compact", "natural"]
    response_words: Count
    asks: Literal["last", "any"]

    @property
    def form(self) -> Form:
        return FORMS[self.text]

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


class CorpusShares(Section):
    facts: Share
    comparisons: Share
    lines: Share
    lists: Share
    walks: Share
    checks: Share
    links: Share


class Corpus(Section):
    shares: CorpusShares
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
    warmup_steps: WholeNumber
    weight_decay: NonNegative
    adam_beta2: Beta
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
    target_modules: Annotated[list[str], Field(min_length=1)] | Literal["all-linear"]


class Hub(Section):
    repository: str
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    folder: str | None = None  # with the same files, to be copied where there is no network


class Model(Section):
    base: str  # the folder of the base model, with {task} for gf11, gf13 or gf11-asks=any
    hub: Hub | None = None  # where `fetch_model` gets that folder from
    adaptation: Literal["full", "lora"]
    lora: Lora
    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]
    threads: Count

    @model_validator(mode="after")
    def _place(self):
        try:
            self.base.format(task="gf11")
        except (KeyError, IndexError, ValueError):
            allowed = "a folder's path in which {task} alone may stand in braces"
            _require(False, "base", self.base, allowed)
        return self


class Optimization(Section):
    batch_size: Count
    micro_batch_size: Count
    learning_rate: Positive
    lr_schedule: Schedule
    warmup_steps: WholeNumber
    weight_decay: NonNegative
    adam_beta2: Beta
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
    group_size: Annotated[_Int, Field(ge=2)]
    kl_coefficient: NonNegative
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    top_k: WholeNumber
    clip_epsilon: Positive
    loss_type: Literal["grpo", "dr_grpo", "dapo"]
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


class JobNeeds(Section):
    """What a job asks of a scheduler; a second attempt asks for twice as much."""

    mem_mb: Count
    runtime: Count  # minutes


class Jobs(Section):
    """Of the heavy stages. gpus is what a job asks for; what it computes on is model.device."""

    gpus: WholeNumber
    base: JobNeeds
    sft: JobNeeds
    rl: JobNeeds
    rollouts: JobNeeds


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
    models: Annotated[list[ModelName], Distinct]
    rl_steps: Annotated[list[Range], Field(min_length=1), Distinct]


class Amplification(Experiment):
    evaluation_shares: Annotated[list[NamedShare], Distinct]


class Composition(Experiment):
    part_steps: Range
    sft_examples: Count
    sft_parts: dict[Annotated[str, Field(pattern=r"^[a-z]{2,}$")], Range]
    rl_parts: Range
    validation_parts: Range


class Diversity(Experiment):
    backward_shares: Annotated[list[NamedShare], Distinct]


class Robustness(Experiment):
    axes: dict[
        str, Annotated[list[Any], Distinct]
    ]  # dotted key -> values other than the study's own
    single_strategy_seeds: Annotated[list[Seed], Distinct]


class OtherField(Experiment):
    field_size: int
    models: Annotated[list[ModelName], Distinct]
    rl_steps: Annotated[list[Range], Distinct]


class Longer(Experiment):
    models: Annotated[list[ModelName], Distinct]
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
    checkpoint_seconds: NonNegative  # between checkpoints of a run; no result depends on it
    task: Task
    data: Data
    base: Base
    model: Model
    sft: Sft
    rl: Rl
    sampling: Sampling
    jobs: Jobs  # no result depends on them
    statistics: Statistics
    experiments: Experiments

    @model_validator(mode="after")
    def _fits(self):
        """The variable names must hold every program, and the responses every solution."""
        task, data, experiments = self.task, self.data, self.experiments
        composition, longer = experiments.composition, experiments.longer
        longest = {
            "data.sft_steps.high": data.sft_steps.high,
            "data.validation_steps.high": data.validation_steps.high,
            "base.corpus.program_steps": self.base.corpus.program_steps,
            "experiments.longer.rl_steps.high": longer.rl_steps.high,
        }
        for experiment in ("main", "field13"):
            for i, steps in enumerate(getattr(experiments, experiment).rl_steps):
                longest[f"experiments.{experiment}.rl_steps.{i}.high"] = steps.high
        for key, steps in longest.items():
            allowed = f"at most {task.n_variables - 1} steps, one less than task.n_variables"
            _require(steps < task.n_variables, key, steps, allowed)
        parts = max(
            composition.rl_parts.high,
            composition.validation_parts.high,
            *(parts.high for parts in composition.sft_parts.values()),
        )
        _require(
            parts * (composition.part_steps.high + 1) <= task.n_variables,
            "experiments.composition.part_steps.high",
            composition.part_steps.high,
            f"{parts} parts must fit into task.n_variables, which is {task.n_variables}",
        )
        needed = {
            f"one guess of {data.sft_steps.high} steps": guess_and_check_words(
                task.form, data.sft_steps.high
            ),
            f"a solution of {longer.rl_steps.high} steps": solution_words(
                task.form, longer.rl_steps.high
            ),
            f"a solution of {parts} parts": solution_words(
                task.form, parts * composition.part_steps.high, parts
            ),
        }
        what, words = max(needed.items(), key=lambda item: item[1])
        allowed = f"at least {words}, the words of {what}"
        _require(task.response_words >= words, "task.response_words", task.response_words, allowed)
        return self

    @model_validator(mode="after")
    def _agrees(self):
        """Settings of one section that those of another bound."""
        _require(len(set(self.seeds)) == len(self.seeds), "seeds", self.seeds, "distinct seeds")
        reserved = ("base", "reference")  # folders of data/ and results/ that are no tier's
        _require(self.tier not in reserved, "tier", self.tier, f"none of {', '.join(reserved)}")
        data, composition = self.data, self.experiments.composition
        for key, validated, trained in (
            ("data.validation_steps", data.validation_steps, [data.sft_steps]),
            (
                "experiments.composition.validation_parts",
                composition.validation_parts,
                composition.sft_parts.values(),
            ),
        ):
            for span in trained:
                holds = validated.low <= span.low and span.high <= validated.high
                _require(holds, key, validated, f"a range that holds that of SFT, {span}")
        batch = self.sft.batch_size
        allowed = f"at least sft.batch_size, which is {batch}"
        _require(data.sft_examples >= batch, "data.sft_examples", data.sft_examples, allowed)
        words, tokens = self.task.response_words, self.rl.max_new_tokens
        per_word = self.task.form.tokens_per_word
        allowed = f"at least {words * per_word}: {per_word} for each of task.response_words"
        _require(tokens >= words * per_word, "rl.max_new_tokens", tokens, allowed)
        subset, problems = self.sampling.pass_at_k.n_problems, self.data.validation_problems
        allowed = f"at most data.validation_problems, which is {problems}"
        _require(subset <= problems, "sampling.pass_at_k.n_problems", subset, allowed)
        steps, known = self.experiments.longer.rl_steps.high, self.data.validation_steps.high
        allowed = f"more than data.validation_steps.high, which is {known}"
        _require(steps > known, "experiments.longer.rl_steps.high", steps, allowed)
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
            _require(False, key, value, "a key of the configuration")
        section[last] = value
    return Settings.model_validate(values)
