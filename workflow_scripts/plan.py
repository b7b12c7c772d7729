"""The plan of a study: every job with its arguments, inputs and outputs, and what targets need.

The rules of the workflow say how jobs are run; what they are given, and from which files, is said
here alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from workflow_scripts.files import StudyError, read_json
from workflow_scripts.jobs import Job
from workflow_scripts.model.shape import read_shape
from workflow_scripts.provenance import code_hash
from workflow_scripts.report import products
from workflow_scripts.report.products import Product
from workflow_scripts.scratch import SCRATCH, planned_digest
from workflow_scripts.settings import Settings
from workflow_scripts.study import RlRun, SftRun, Study
from workflow_scripts.task.datasets import SPLITS

# No result depends on these settings.
_OPERATIONAL = ("base", "checkpoint_seconds", "jobs")

# Targets of one job each, where a tier has it.
_SINGLE = {
    "claims": "claims",
    "fetch_model": "hub",
    "rebuild_base": "base/comparison",
    "rl_benchmark": "rl_benchmark",
}
# Why a tier may not have a target.
_NOT_OFFERED = {
    "fetch_model": "its model.hub names no model to fetch",
    "rebuild_base": "no base model of its shape is shipped in data/base, to compare with",
}


def name_of_file(path: str) -> str:
    return Path(path).with_suffix("").name


@dataclass(frozen=True)
class Plan:
    """The jobs of a study by name, and the jobs that each target asks for."""

    study: Study

    @property
    def settings(self) -> Settings:
        return self.study.settings

    @property
    def results(self) -> Path:
        return Path(self.study.results)

    @cached_property
    def jobs(self) -> dict[str, Job]:
        groups = (
            self._data(),
            self._base_models(),
            self._fetching(),
            self._sft(),
            self._rl(),
            self._rollouts(),
            self._collections(),
            self._products(),
            self._tools(),
        )
        return {job.name: job for group in groups for job in group}

    @cached_property
    def targets(self) -> dict[str, list[str]]:
        """What people type, and the jobs whose outputs they ask for."""
        study = self.study
        figures, tables = products.figures(self.settings), products.tables(self.settings)
        shown = {f"figures/{name}": product for name, product in figures.items()}
        shown |= {f"tables/{name}": product for name, product in tables.items()}
        named = {products.target_name("fig", name): [f"figures/{name}"] for name in figures}
        named |= {products.target_name("table", name): [f"tables/{name}"] for name in tables}
        collected = {name: [f"metrics/{name}", f"provenance/{name}"] for name in study.members}
        for experiment in study.members:
            mine = [job for job, product in shown.items() if product.experiment == experiment]
            named[experiment] = [*mine, *collected[experiment]]
        everything = [*shown, *(job for jobs in collected.values() for job in jobs), "claims"]
        single = {target: [job] for target, job in _SINGLE.items() if job in self.jobs}
        return {"all": everything, **named, **single}

    def outputs(self, target: str) -> list[str]:
        """The files that a target asks for."""
        return [file for job in self.targets[target] for file in self.jobs[job].outputs.values()]

    # ---- stages -------------------------------------------------------------------------------

    def _data(self) -> Iterator[Job]:
        study, data = self.study, self.settings.data
        for folder, settings in study.fields.items():
            place, task = f"data/{Path(folder).name}", settings.task.model_dump()
            for kind, mix in study.validation_kinds.items():
                yield Job(
                    f"{place}/validation-{kind}",
                    "task.datasets:make_validation",
                    {
                        "task": task,
                        "mix": mix,
                        "n": data.validation_problems,
                        "dev": f"{folder}/dev-{kind}.jsonl",
                        "final": f"{folder}/final-{kind}.jsonl",
                    },
                    inputs={},
                    outputs={split: f"{folder}/{split}-{kind}.jsonl" for split in SPLITS},
                )
        for run in study.sft_runs.values():
            yield from self._sft_data(run)
        for run in study.rl_runs.values():
            path = study.prompts_file(run)
            arguments = {"mix": study.prompt_mix(run.prompts), "n": data.rl_prompts}
            yield self._training_set("make_prompts", run, path, arguments)

    def _sft_data(self, run: SftRun) -> Iterator[Job]:
        study = self.study
        mix = study.sft_mix(run.data_mix)
        arguments = {"mix": mix, "n": study.sft_examples(run.data_mix), "seed": run.seed}
        yield self._training_set("make_sft", run, study.sft_file(run), arguments)
        for split, path in zip(SPLITS, study.heldout_files(run), strict=True):
            validation = f"{run.data_folder}/{split}-{study.heldout_kind(run.data_mix)}.jsonl"
            task = run.settings.task.model_dump()
            yield Job(
                f"data/{Path(run.data_folder).name}/{name_of_file(path)}",
                "task.datasets:make_heldout",
                {"task": task, "mix": mix, "validation": validation, "output": path},
                inputs={"validation": [validation]},
                outputs={"data": path},
            )

    def _training_set(self, program: str, run: SftRun | RlRun, path: str, arguments: dict) -> Job:
        """Data that keep out all validation problems of their task."""
        validation = [
            f"{run.data_folder}/{split}-{kind}.jsonl"
            for kind in self.study.validation_kinds
            for split in SPLITS
        ]
        task = run.settings.task.model_dump()
        return Job(
            f"data/{Path(run.data_folder).name}/{name_of_file(path)}",
            f"task.datasets:{program}",
            {"task": task, **arguments, "validation": validation, "output": path},
            inputs={"validation": validation},
            outputs={"data": path},
        )

    def _base_models(self) -> Iterator[Job]:
        study = self.study
        for name in study.base_tasks:
            folder = f"{study.results}/base/{name}"
            arguments = {"settings": study.base_settings(name), "output": folder}
            yield self._training(f"base/{name}", "train.base:run_base", folder, arguments, {})
        shipped = [f"data/base/{name}/model/manifest.json" for name in study.base_tasks]
        if not self._are_shipped():
            return
        trained = [f"{study.results}/base/{name}/model/manifest.json" for name in study.base_tasks]
        path = f"{study.results}/base/comparison.md"
        yield Job(
            "base/comparison",
            "train.compare_base:compare_base",
            {
                "settings": [study.base_settings(name) for name in study.base_tasks],
                "trained": trained,
                "shipped": shipped,
                "output": path,
            },
            inputs={"trained": trained, "shipped": shipped},
            outputs={"page": path},
        )

    def _are_shipped(self) -> bool:
        """Whether base models of the shape that is trained here lie in data/base."""
        tasks = self.study.base_tasks
        configs = {name: Path(f"data/base/{name}/model/config.json") for name in tasks}
        return bool(tasks) and all(
            config.is_file() and read_shape(config) == self.study.trained_shape(tasks[name])
            for name, config in configs.items()
        )

    def _fetching(self) -> Iterator[Job]:
        hub = self.settings.model.hub
        if hub:
            folder = f"{self.study.results}/hub/model"
            manifest = f"{folder}/manifest.json"
            yield Job(
                "hub",
                "model.fetch:fetch",
                {"hub": hub.model_dump(), "manifest": manifest},
                inputs={},
                outputs={"manifest": manifest},
                trees=(folder,),
            )

    def _training(
        self, name: str, program: str, folder: str, arguments: dict, inputs: dict[str, list[str]]
    ) -> Job:
        """A job that trains a model, and goes on from its checkpoints."""
        outputs = {
            "manifest": f"{folder}/model/manifest.json",
            "log": f"{folder}/log.csv",
            "record": f"{folder}/run.json",
        }
        seconds = self.settings.checkpoint_seconds
        return Job(
            name,
            program,
            {**arguments, "checkpoint_seconds": seconds},
            inputs,
            outputs,
            trees=(f"{folder}/model",),
            ignored=("checkpoint_seconds",),
            scratch=f"{folder}/{SCRATCH}",
        )

    def _sft(self) -> Iterator[Job]:
        study = self.study
        for run in study.sft_runs.values():
            folder, base = study.run_folder(run), study.base_folder(run)
            data, validation = study.sft_file(run), study.heldout_files(run)
            arguments = {
                "settings": study.training_settings(run),
                "seed": run.seed,
                "base": base,
                "data": data,
                "validation": validation,
                "output": folder,
            }
            inputs = {"base": self._model_files(base), "data": [data], "validation": validation}
            yield self._training(f"sft/{run.name}", "train.sft:run_sft", folder, arguments, inputs)

    def _rl(self) -> Iterator[Job]:
        study = self.study
        for run in study.rl_runs.values():
            folder, sft = study.run_folder(run), f"{study.run_folder(run.sft)}/model"
            prompts = study.prompts_file(run)
            arguments = {
                "settings": study.training_settings(run),
                "seed": run.seed,
                "sft": sft,
                "prompts": prompts,
                "output": folder,
            }
            inputs = {"sft": self._model_files(sft), "prompts": [prompts]}
            name = f"rl/{run.name}"
            job = self._training(name, "train.grpo:train_grpo", folder, arguments, inputs)
            outputs = {**job.outputs, "rollouts": f"{folder}/rollouts.csv"}
            for step, checkpoint in study.sampled_models(run, "checkpoints").items():
                outputs[f"step_{step}"] = f"{checkpoint}/manifest.json"
            yield replace(job, outputs=outputs, trees=(*job.trees, f"{folder}/checkpoints"))

    def _model_files(self, folder: str) -> list[str]:
        """What is read of a model. The manifest stands for the files of one that a job makes."""
        manifest = f"{folder}/manifest.json"
        if folder.startswith(f"{self.study.results}/") or not Path(manifest).is_file():
            return [manifest]
        try:
            files = [f"{folder}/{name}" for name in read_json(Path(manifest))["files"]]
        except (StudyError, KeyError, TypeError):
            raise StudyError(
                f"{manifest} is damaged: put that model there again (git checkout {folder}, if it "
                "came with the project)"
            ) from None
        return [manifest, *files]

    def _rollouts(self) -> Iterator[Job]:
        study = self.study
        sampled = {
            (member.run.name, evaluation): member.run
            for members in study.members.values()
            for member in members
            for evaluation in member.evaluations
        }
        for (name, evaluation), run in sampled.items():
            problems = study.problems_file(run, evaluation)
            rollouts = f"{study.results}/rollouts/{name}/{evaluation}.parquet"
            record = f"{study.results}/rollouts/{name}/{evaluation}.json"
            size, models = study.evaluations[evaluation], study.sampled_models(run, evaluation)
            yield Job(
                f"rollouts/{name}/{evaluation}",
                "evaluate.sample:sample",
                {
                    "settings": study.sampling_settings(run),
                    "run": name,
                    "models": models,
                    "problems": problems,
                    "n_samples": size.n_samples,
                    "n_problems": size.n_problems,
                    "output": rollouts,
                    "record": record,
                },
                inputs={
                    "model": [f"{study.run_folder(run)}/model/manifest.json"],
                    "checkpoints": [f"{folder}/manifest.json" for folder in models.values()],
                    "problems": [problems],
                },
                outputs={"rollouts": rollouts, "record": record},
            )
            labels = f"{study.results}/labels/{name}/{evaluation}.parquet"
            yield Job(
                f"labels/{name}/{evaluation}",
                "evaluate.label:make_labels",
                {"rollouts": rollouts, "problems": problems, "output": labels},
                inputs={"rollouts": [rollouts], "problems": [problems]},
                outputs={"labels": labels},
            )

    # ---- collecting ---------------------------------------------------------------------------

    def _collected(self, name: str, program: str, suffix: str, arguments: dict, inputs) -> Job:
        path = f"{self.study.results}/{name}.{suffix}"
        return Job(name, program, {**arguments, "output": path}, inputs, {"collected": path})

    def _collections(self) -> Iterator[Job]:
        study, collect = self.study, "evaluate.collect"
        for experiment in study.members:
            scores = []
            for evaluation in study.evaluations_of(experiment):
                members = study.evaluated(experiment, evaluation)
                kinds = ("rollouts", "labels", "problems")
                scores.append(f"{study.results}/scores/{experiment}/{evaluation}.parquet")
                yield self._collected(
                    f"scores/{experiment}/{evaluation}",
                    f"{collect}:make_scores",
                    "parquet",
                    {"members": members, "evaluation": evaluation},
                    {kind: _distinct(member[kind] for member in members) for kind in kinds},
                )
            yield self._collected(
                f"metrics/{experiment}",
                "evaluate.metrics:make_metrics",
                "csv",
                {
                    "statistics": self.settings.statistics.model_dump(),
                    "spans": [span.model_dump() for span in study.spans],
                    "scores": scores,
                },
                {"scores": scores},
            )
            records = self._records(experiment)
            yield self._collected(
                f"provenance/{experiment}",
                f"{collect}:make_provenance",
                "json",
                {"records": records},
                {"records": records},
            )
            if members := study.trained(experiment, "sft"):
                split = self.settings.sampling.validation
                yield self._collected(
                    f"sft_validation/{experiment}",
                    f"{collect}:make_sft",
                    "csv",
                    {"members": members, "split": split},
                    {"records": [member["record"] for member in members]},
                )
        for collection in study.collections:
            if members := study.trained(collection, "rl"):
                yield self._collected(
                    f"training/{collection}",
                    f"{collect}:make_training",
                    "parquet",
                    {"members": members},
                    {"training": [member["training"] for member in members]},
                )

    def _records(self, experiment: str) -> list[str]:
        """What says what made the runs of an experiment, their SFT models and their rollouts."""
        study = self.study
        runs: list[SftRun | RlRun] = [member.run for member in study.members[experiment]]
        runs += [run.sft for run in runs if isinstance(run, RlRun)]
        records = [f"{study.run_folder(run)}/run.json" for run in runs]
        for evaluation in study.evaluations_of(experiment):
            rollouts = (member["rollouts"] for member in study.evaluated(experiment, evaluation))
            records += [path.removesuffix(".parquet") + ".json" for path in rollouts]
        return _distinct(records)

    # ---- what is shown ------------------------------------------------------------------------

    def _files_of(self, product: Product) -> dict[str, list[str]]:
        """The files that a table, figure or claim needs, as report.inputs names them."""
        results, experiment = self.study.results, product.experiment
        files = {}
        if product.evaluations:
            scores = f"{results}/scores/{experiment}"
            files["scores"] = [f"{scores}/{name}.parquet" for name in product.evaluations]
        if product.training:
            files["training"] = [f"{results}/training/{product.training}.parquet"]
        if product.sft:
            files["sft"] = [f"{results}/sft_validation/{experiment}.csv"]
        return files

    def _shown(self, experiments: list[str]) -> tuple[str, ...]:
        """The settings on which what is shown of some experiments does not depend."""
        named = {"main", *experiments}  # main's runs are those that the others vary
        others = [name for name, _ in self.settings.experiments if name not in named]
        keys = [*_OPERATIONAL, *(f"experiments.{name}" for name in others)]
        return tuple(f"settings.{key}" for key in keys)

    def _products(self) -> Iterator[Job]:
        results, settings = self.study.results, self.settings.model_dump()
        for folder, program, suffixes, shown in (
            ("figures", "figures:make_figure", {"png": "png", "svg": "svg"}, products.figures),
            ("tables", "tables:make_table", {"csv": "csv", "markdown": "md"}, products.tables),
        ):
            for name, product in shown(self.settings).items():
                files = self._files_of(product)
                paths = {kind: f"{results}/{folder}/{name}.{end}" for kind, end in suffixes.items()}
                yield Job(
                    f"{folder}/{name}",
                    f"report.{program}",
                    {"name": name, "settings": settings, "files": files, **paths},
                    files,
                    paths,
                    ignored=self._shown([product.experiment]),
                )
        experiments = self.study.members
        claimed = {
            name: self._files_of(product) | {"provenance": [f"{results}/provenance/{name}.json"]}
            for name, product in products.CLAIMED.items()
            if name in experiments
        }
        paths = {"json": f"{results}/claims.json", "markdown": f"{results}/claims.md"}
        inputs: dict[str, list[str]] = {}
        for files in claimed.values():
            for kind, some in files.items():
                inputs[kind] = [*inputs.get(kind, []), *some]
        yield Job(
            "claims",
            "report.claims:make_claims",
            {"settings": settings, "files": claimed, **paths},
            inputs,
            paths,
            ignored=self._shown(list(experiments)),
        )

    # ---- tools --------------------------------------------------------------------------------

    def _tools(self) -> Iterator[Job]:
        study = self.study
        settings = self.settings.model_dump()
        yield Job("cost", "report.forecast:show", {"settings": settings}, {}, {})
        planned = {
            str(Path(job.scratch).parent): planned_digest(
                job.module,
                job.arguments["settings"],
                job.arguments.get("seed", self.settings.base.seed),
                code_hash(job.module),
            )
            for group in (self._base_models(), self._sft(), self._rl())
            for job in group
            if job.scratch
        }
        arguments = {"results": study.results, "planned": planned}
        yield Job("clean_scratch", "scratch:clean", arguments, {}, {})
        if study.members.get("main"):
            run = study.hardest_run
            models = {
                "sft": f"{study.run_folder(run.sft)}/model",
                "rl": f"{study.run_folder(run)}/model",
            }
            prompts, path = study.prompts_file(run), f"{study.results}/rl_benchmark.md"
            yield Job(
                "rl_benchmark",
                "train.benchmark:write_benchmark",
                {
                    "settings": study.training_settings(run),
                    **models,
                    "prompts": prompts,
                    "output": path,
                },
                inputs={
                    **{name: self._model_files(model) for name, model in models.items()},
                    "prompts": [prompts],
                },
                outputs={"page": path},
            )


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def find_jobs(plan: Plan, target: str) -> list[str]:
    """The jobs that a target asks for: its name, or the path of a file.

    Raises StudyError, naming what is alike, if nothing makes it.
    """
    if target in plan.targets:
        return plan.targets[target]
    for name, job in plan.jobs.items():
        if target in job.outputs.values():
            return [name]
    raise _unknown_target(plan, target)


def _unknown_target(plan: Plan, target: str) -> StudyError:
    """The error that names the targets that are alike."""
    files = (file for job in plan.jobs.values() for file in job.outputs.values())
    known = [*plan.targets, *(files if "/" in target else ())]
    alike = get_close_matches(target, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(alike)}?" if alike else f"known: {', '.join(plan.targets)}"
    hint = _NOT_OFFERED.get(target, hint)
    return StudyError(f"{target}: no such target of the tier {plan.study.tier}; {hint}")
