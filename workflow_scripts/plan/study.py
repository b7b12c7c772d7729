"""The run grid: settings -> named runs with their resolved settings, data and paths.

The only place that knows names and paths. A run's name says everything in which it differs from
the study's settings, so that experiments share the runs that are alike.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.jobs import flatten
from workflow_scripts.model.shape import HUB, Shape, read_shape
from workflow_scripts.settings import BACKWARD_SHARE, Experiment, Settings, override
from workflow_scripts.settings.values import Range
from workflow_scripts.task.datasets import SPLITS
from workflow_scripts.task.task import Task

# What defines an SFT run, and its rollouts; an RL run adds what is left.
_SFT_KEYS = ("task.", "model.", "sft.", "rl.max_new_tokens")


def _suffix(changes: dict[str, Any]) -> str:
    """What distinguishes the name of a changed run: ``-kl_coefficient=0.1``. Fit for a path."""
    return "".join(
        f"-{key.split('.')[-1]}={re.sub(r'[^A-Za-z0-9_.=+-]+', '_', str(value)).strip('_')}"
        for key, value in sorted(changes.items())
    )


def _of_sft(changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in changes.items() if key.startswith(_SFT_KEYS)}


@dataclass(frozen=True)
class SftRun:
    """One SFT model. data_mix names its training data, up to the seed."""

    name: str
    data_mix: str
    seed: int
    settings: Settings
    data_folder: str

    folder = "sft"


@dataclass(frozen=True)
class RlRun:
    """One GRPO run from an SFT model. prompts names its RL prompt set."""

    name: str
    sft: SftRun
    prompts: str
    settings: Settings

    folder = "rl"

    @property
    def seed(self) -> int:
        return self.sft.seed

    @property
    def data_folder(self) -> str:
        return self.sft.data_folder


@dataclass(frozen=True)
class Evaluation:
    """Rollouts on a validation set: which problems, how many samples of each."""

    name: str
    problems: str  # the kind of validation set: steps, longer, parts
    n_samples: int
    n_problems: int | None = None  # a stratified subset; None: all
    checkpoints: bool = False  # the scored checkpoints instead of the final model

    @property
    def arguments(self) -> str:
        """The size of the evaluation on the command line of evaluate.sample."""
        subset = f" --n-problems {self.n_problems}" if self.n_problems else ""
        return f"--n-samples {self.n_samples}{subset}"


@dataclass(frozen=True)
class Member:
    """A run's part in an experiment, as the tables and figures name it."""

    run: SftRun | RlRun
    model: str
    stage: str
    condition: str
    evaluations: tuple[str, ...]


@dataclass
class _Grid:
    sft: dict[str, SftRun] = field(default_factory=dict)
    rl: dict[str, RlRun] = field(default_factory=dict)
    members: dict[str, list[Member]] = field(default_factory=dict)


def _add(runs: dict[str, Any], run: Any) -> Any:
    """The run of this name, which two different ones must not share. Raises StudyError."""
    known = runs.setdefault(run.name, run)
    if known != run:
        one, other = (flatten(some.settings.model_dump()) for some in (known, run))
        key = next((key for key in one if one[key] != other.get(key)), "prompts")
        raise StudyError(
            f"{key}: {one.get(key)} and {other.get(key)} would give two runs the name {run.name}: "
            "choose values that differ in letters, digits or one of _.=+-"
        )
    return known


class Study:
    """Everything the workflow needs to know about a validated configuration."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.tier = settings.tier
        self.results = f"results/{settings.tier}"

    # ---- data ---------------------------------------------------------------------------------

    def data_folder(self, settings: Settings) -> str:
        """Data sets depend on the task's settings alone; changed ones get a folder of their own."""
        task = settings.task
        differs = task.model_dump().items() - self.settings.task.model_dump().items()
        changes = {key: value for key, value in differs if key != "field_size"}
        return f"data/{self.tier}/gf{task.field_size}{_suffix(changes)}"

    @property
    def validation_kinds(self) -> dict[str, dict]:
        """Strata of each kind of validation set, see task.datasets."""
        data, experiments = self.settings.data, self.settings.experiments
        composition, known = experiments.composition, data.validation_steps
        return {
            "steps": {"steps": known.values()},
            "longer": {
                "steps": [s for s in experiments.longer.rl_steps.values() if s > known.high]
            },
            "parts": {
                "parts": composition.validation_parts.values(),
                "part_steps": composition.part_steps.values(),
            },
        }

    def sft_mix(self, data_mix: str) -> dict:
        """What an SFT data mix holds, see task.datasets."""
        composition = self.settings.experiments.composition
        if data_mix in composition.sft_parts:
            return {
                "parts": composition.sft_parts[data_mix].values(),
                "part_steps": composition.part_steps.values(),
            }
        share = BACKWARD_SHARE.get(data_mix)
        if share is None:
            share = float(data_mix.removeprefix("back")) / 100
        return {"backward_share": share, "steps": self.settings.data.sft_steps.values()}

    def sft_examples(self, data_mix: str) -> int:
        composition = self.settings.experiments.composition
        mine = data_mix in composition.sft_parts
        return composition.sft_examples if mine else self.settings.data.sft_examples

    def prompt_mix(self, prompts: str) -> dict:
        """What an RL prompt set holds, see task.datasets; names are 6-9, 6-9-eval75, 3-5-parts."""
        span, *rest = prompts.rsplit("-", prompts.count("-") - 1)
        low, high = map(int, span.split("-"))
        values = list(range(low, high + 1))
        if rest == ["parts"]:
            part_steps = self.settings.experiments.composition.part_steps.values()
            return {"parts": values, "part_steps": part_steps}
        share = float(rest[0].removeprefix("eval")) / 100 if rest else None
        if share is None:
            share = self.settings.data.rl_evaluation_share
        return {"steps": values, "evaluation_share": share}

    # ---- runs ---------------------------------------------------------------------------------

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        sampling = self.settings.sampling
        passes = sampling.pass_at_k
        return {
            evaluation.name: evaluation
            for evaluation in (
                Evaluation("steps", "steps", sampling.n_samples),
                Evaluation("longer", "longer", sampling.n_samples),
                Evaluation("parts", "parts", sampling.n_samples),
                Evaluation("pass_at_k", "steps", passes.n_samples, passes.n_problems),
                Evaluation("checkpoints", "steps", sampling.n_samples_checkpoint, checkpoints=True),
            )
        }

    @cached_property
    def _grid(self) -> _Grid:
        grid = _Grid()
        for name, experiment in self.settings.experiments:
            if experiment.enabled:
                members = getattr(self, f"_{name}")(grid, experiment)
                # By seed, FB first: it shows the most.
                order = lambda member: (member.run.seed, "FB" not in member.model)  # noqa: E731
                grid.members[name] = sorted(members, key=order)
        return grid

    @property
    def sft_runs(self) -> dict[str, SftRun]:
        return self._grid.sft

    @property
    def rl_runs(self) -> dict[str, RlRun]:
        return self._grid.rl

    @property
    def hardest_run(self) -> RlRun:
        """The RL run that the study is about, of its first seed."""
        runs = [m.run for m in self.members["main"] if m.stage == f"RL({self._hardest()})"]
        return runs[0]

    @property
    def members(self) -> dict[str, list[Member]]:
        """The enabled experiments, the most telling first, and the runs of each."""
        return self._grid.members

    def _differing(self, settings: Settings, keys: Collection[str]) -> dict[str, Any]:
        """Those of the keys whose values are not the study's own, with their values."""

        def value(of: Settings, key: str) -> Any:
            return reduce(getattr, key.split("."), of)

        return {
            key: value(settings, key)
            for key in keys
            if value(settings, key) != value(self.settings, key)
        }

    def _add_sft(self, grid: _Grid, data_mix: str, seed: int, changes: dict) -> SftRun:
        mine = _of_sft(changes)
        settings = override(self.settings, mine)
        prefix = ""
        if settings.task.field_size != self.settings.task.field_size:
            prefix = f"gf{settings.task.field_size}-"
        named = self._differing(settings, mine)
        named.pop("task.field_size", None)
        name = f"{prefix}{data_mix}-s{seed}{_suffix(named)}"
        run = SftRun(name, data_mix, seed, settings, self.data_folder(settings))
        return _add(grid.sft, run)

    def _add_rl(self, grid: _Grid, data_mix: str, seed: int, prompts: str, changes: dict) -> RlRun:
        """Add an RL run. Those of the main experiment keep checkpoints, which it samples."""
        sft = self._add_sft(grid, data_mix, seed, changes)
        settings, main = override(self.settings, changes), self.settings.experiments.main
        is_main = data_mix in main.models and prompts in map(str, main.rl_steps)
        if not (is_main and settings == override(self.settings, main.overrides)):
            settings = override(settings, {"rl.scored_steps": changes.get("rl.scored_steps", [])})
        mine = self._differing(settings, changes.keys() - _of_sft(changes))
        name = f"{sft.name}-rl{prompts}{_suffix(mine)}"
        return _add(grid.rl, RlRun(name, sft, prompts, settings))

    def _pair(
        self,
        grid: _Grid,
        experiment: Experiment,
        model: str,
        seed: int,
        prompts: list[str],
        condition: str = "",
        evaluations: tuple[str, ...] = ("steps",),
        changes: dict | None = None,
    ):
        """Yield an SFT run as a member, then the RL runs from it."""
        changes = {**experiment.overrides, **(changes or {})}
        sft = self._add_sft(grid, model, seed, changes)
        final = tuple(name for name in evaluations if name != "checkpoints")
        yield Member(sft, model, "SFT", condition, final)
        for name in prompts:
            run = self._add_rl(grid, model, seed, name, changes)
            sampled = evaluations if run.settings.rl.scored_steps else final
            yield Member(run, model, f"RL({name})", condition, sampled)

    def _main(self, grid, experiment):
        prompts = [str(steps) for steps in experiment.rl_steps]
        evaluations = ("steps", "pass_at_k", "checkpoints")
        for seed in self.settings.seeds:
            for model in experiment.models:
                yield from self._pair(
                    grid, experiment, model, seed, prompts, evaluations=evaluations
                )

    def _hardest(self) -> str:
        """The RL prompt set of the experiments that vary something else: the main one's hardest."""
        return str(self.settings.experiments.main.rl_steps[-1])

    def _amplification(self, grid, experiment):
        for seed in self.settings.seeds:
            for share in experiment.evaluation_shares:
                same = share == self.settings.data.rl_evaluation_share
                prompts = self._hardest() + ("" if same else f"-eval{100 * share:g}")
                run = self._add_rl(grid, "FB", seed, prompts, experiment.overrides)
                yield Member(run, "FB", f"RL({self._hardest()})", f"{100 * share:g}", ("steps",))

    def _composition(self, grid, experiment):
        prompts = [f"{experiment.rl_parts}-parts"]
        for seed in self.settings.seeds:
            for mix in experiment.sft_parts:
                yield from self._pair(grid, experiment, mix, seed, prompts, evaluations=("parts",))

    def _diversity(self, grid, experiment):
        names = {share: model for model, share in BACKWARD_SHARE.items()}
        for seed in self.settings.seeds:
            for share in experiment.backward_shares:
                mix = names.get(share, f"back{100 * share:g}")
                yield from self._pair(
                    grid, experiment, mix, seed, [self._hardest()], f"{100 * share:g}"
                )

    def _robustness(self, grid, experiment):
        """One setting changed at a time; one of SFT is judged after SFT, any other after RL."""
        for model in self.settings.experiments.main.models:
            seeds = self.settings.seeds
            if model != "FB":
                seeds = [seed for seed in seeds if seed in experiment.single_strategy_seeds]
            for seed in seeds:
                yield from self._pair(
                    grid, experiment, model, seed, [self._hardest()], condition="default"
                )
                for key, value in ((k, v) for k, values in experiment.axes.items() for v in values):
                    of_sft = key.startswith("sft.")
                    sft, *rl = self._pair(
                        grid,
                        experiment,
                        model,
                        seed,
                        [] if of_sft else [self._hardest()],
                        condition=f"{key}={value}",
                        changes={key: value},
                    )
                    yield from [sft] if of_sft else rl

    def _field13(self, grid, experiment):
        changes = {"task.field_size": experiment.field_size}
        prompts = [str(steps) for steps in experiment.rl_steps]
        for seed in self.settings.seeds:
            for model in experiment.models:
                yield from self._pair(grid, experiment, model, seed, prompts, changes=changes)

    def _longer(self, grid, experiment):
        prompts = [self._hardest(), str(experiment.rl_steps)]
        for seed in self.settings.seeds:
            for model in experiment.models:
                yield from self._pair(
                    grid, experiment, model, seed, prompts, evaluations=("steps", "longer")
                )

    # ---- paths --------------------------------------------------------------------------------

    @cached_property
    def runs(self) -> dict[str, SftRun | RlRun]:
        return {**self.sft_runs, **self.rl_runs}

    @cached_property
    def priorities(self) -> dict[str, int]:
        """The runs of the first experiments first, and of each those of its first seeds."""
        order = []
        for run in (member.run for members in self.members.values() for member in members):
            order += [run.name] if isinstance(run, SftRun) else [run.sft.name, run.name]
        order = list(dict.fromkeys(order))
        return {name: len(order) - index for index, name in enumerate(order)}

    def sampling_priority(self, run: str, evaluation: str) -> int:
        """That of the run; what Table 1 does not need waits for the last run of main."""
        if evaluation in ("pass_at_k", "checkpoints"):
            return min(self.priorities[member.run.name] for member in self.members["main"])
        return self.priorities[run]

    @cached_property
    def fields(self) -> dict[str, Settings]:
        """The data folders, with settings that define them."""
        return {run.data_folder: run.settings for run in self.sft_runs.values()}

    @property
    def spans(self) -> list[Range]:
        """The ranges of steps that the configuration names."""
        settings, experiments = self.settings, self.settings.experiments
        spans = [settings.data.sft_steps, *experiments.main.rl_steps, *experiments.field13.rl_steps]
        return list(dict.fromkeys([*spans, experiments.longer.rl_steps]))

    @property
    def base_tasks(self) -> dict[str, Task]:
        """The tasks that need a base model of their own, by its name: gf11, gf13, gf11-asks=any."""
        tasks = [settings.task for settings in self.fields.values()]
        return {self._base_name(task): task for task in tasks}

    @staticmethod
    def _base_name(task: Task) -> str:
        asks = {} if task.asks == "last" else {"asks": task.asks}
        return f"gf{task.field_size}{_suffix(asks)}"

    def base_settings(self, name: str) -> dict:
        """The settings that define a base model."""
        task = self.base_tasks[name].model_dump(include={"field_size", "n_variables", "asks"})
        return {
            "task": task,
            "model": self.settings.model.model_dump(include={"device", "dtype", "threads"}),
            "base": self.settings.base.model_dump(),
        }

    def training_settings(self, run: SftRun | RlRun) -> dict:
        """The settings that define a run, besides seed, data and the model it starts from."""
        model = run.settings.model.model_dump(exclude={"base", "hub"})
        if model["adaptation"] == "full":
            del model["lora"]
        return {"model": model, run.folder: getattr(run.settings, run.folder).model_dump()}

    def run_folder(self, run: SftRun | RlRun) -> str:
        return f"{self.results}/{run.folder}/{run.name}"

    def base_folder(self, run: SftRun) -> str:
        return run.settings.model.base.format(task=self._base_name(run.settings.task))

    def is_trained_here(self, base_folder: str) -> bool:
        """Whether a base model is one that the rule `base_model` trains for this tier."""
        return base_folder.startswith(f"{self.results}/base/")

    def base_shape(self, run: SftRun) -> Shape:
        """The shape of a run's base model, which need not be there yet."""
        model, folder = run.settings.model, self.base_folder(run)
        if not self.is_trained_here(folder):
            config = Path(folder) / "config.json"
            if not config.is_file() and model.hub and model.hub.repository in HUB:
                return HUB[model.hub.repository]
            return read_shape(config)
        return self.trained_shape(run.settings.task)

    def trained_shape(self, task: Task) -> Shape:
        """The shape of the base model that the rule `base_model` trains for a task."""
        vocabulary = 16 + 2 * task.n_variables + 6 * task.field_size  # see model.tokenizer
        return Shape.of_base(self.settings.base.model_dump(), vocabulary)

    def missing_base_model(self) -> tuple[str, str, str] | None:
        """Key, value and what is allowed, of a base model neither there nor made by a rule."""
        made = [f"{self.results}/hub/model"] if self.settings.model.hub else []
        made += [f"{self.results}/base/{name}/model" for name in self.base_tasks]
        for folder in map(self.base_folder, self.sft_runs.values()):
            if folder not in made and not (Path(folder) / "manifest.json").is_file():
                allowed = (
                    "a folder with a model and its manifest.json; to train one here, set "
                    "model.base to results/{tier}/base/{task}/model".replace("{tier}", self.tier)
                )
                if self.settings.model.hub:
                    allowed += f", or to {self.results}/hub/model for the model of model.hub"
                return "model.base", folder, allowed
        return None

    def validation_file(self, data_folder: str, kind: str) -> str:
        return f"{data_folder}/{self.settings.sampling.validation}-{kind}.jsonl"

    def problems_file(self, run: SftRun | RlRun, evaluation: str) -> str:
        return self.validation_file(run.data_folder, self.evaluations[evaluation].problems)

    def heldout_kind(self, data_mix: str) -> str:
        """The kind of validation problems that the held-out SFT examples of a mix solve."""
        return "parts" if "parts" in self.sft_mix(data_mix) else "steps"

    def sft_file(self, run: SftRun) -> str:
        return f"{run.data_folder}/sft-{run.data_mix}-s{run.seed}.jsonl"

    def heldout_files(self, run: SftRun) -> list[str]:
        """Of both splits: which one is reported must not decide whether SFT runs again."""
        return [f"{run.data_folder}/heldout-{split}-{run.data_mix}.jsonl" for split in SPLITS]

    def prompts_file(self, run: RlRun) -> str:
        return f"{run.data_folder}/rl-{run.prompts}.jsonl"

    # ---- evaluation ---------------------------------------------------------------------------

    def sampling_settings(self, run: SftRun | RlRun) -> dict:
        settings = run.settings
        sampling = settings.sampling.model_dump(include={"temperature", "batch_size", "seed"})
        return {
            "model": settings.model.model_dump(include={"device", "dtype", "threads"}),
            "sampling": sampling,
            "max_new_tokens": settings.rl.max_new_tokens,
        }

    def sampled_models(self, run: SftRun | RlRun, evaluation: str) -> dict[str, str]:
        """The folders of the checkpoints that an evaluation samples, by their step."""
        folder = self.run_folder(run)
        if self.evaluations[evaluation].checkpoints:
            scored = run.settings.rl.scored_steps
            return {str(step): f"{folder}/checkpoints/step-{step}" for step in scored}
        steps = run.settings.rl.steps if isinstance(run, RlRun) else 0
        return {str(steps): f"{folder}/model"}

    # ---- collecting ---------------------------------------------------------------------------

    @cached_property
    def collections(self) -> dict[str, list[Member]]:
        """What is collected into one file: experiments, and the first seeds of FB's hardest RL.

        The latter let the figure `selection` appear early and grow as further seeds finish.
        """
        first = {}
        if "main" in self.members:
            stage = f"RL({self._hardest()})"
            runs = [m for m in self.members["main"] if (m.model, m.stage) == ("FB", stage)]
            first = {f"first-{n}": runs[:n] for n in range(1, len(runs) + 1)}
        return {**self.members, **first}

    def _identity(self, member: Member) -> dict:
        return {
            "model": member.model,
            "stage": member.stage,
            "condition": member.condition,
            "seed": member.run.seed,
            "run": member.run.name,
        }

    def evaluated(self, experiment: str, evaluation: str) -> list[dict]:
        """The members that an evaluation samples, with its files: see evaluate.collect."""
        return [
            {
                **self._identity(member),
                "rollouts": f"{self.results}/rollouts/{member.run.name}/{evaluation}.parquet",
                "labels": f"{self.results}/labels/{member.run.name}/{evaluation}.parquet",
                "problems": self.problems_file(member.run, evaluation),
            }
            for member in self.members[experiment]
            if evaluation in member.evaluations
        ]

    def trained(self, collection: str, folder: str) -> list[dict]:
        """The SFT or RL runs (folder) of a collection, with their records."""
        return [
            {
                **self._identity(member),
                "record": f"{self.run_folder(member.run)}/run.json",
                "training": f"{self.run_folder(member.run)}/rollouts.csv",
            }
            for member in self.collections[collection]
            if member.run.folder == folder
        ]

    def evaluations_of(self, experiment: str) -> list[str]:
        members = self.members[experiment]
        return [name for name in self.evaluations if any(name in m.evaluations for m in members)]
