"""The recorded models of one seed that the demo shows, the problems, and what the models write."""

from dataclasses import dataclass
from pathlib import Path

import torch

from workflow_scripts.common.errors import StudyError
from workflow_scripts.evaluate.sample import sampling_seed
from workflow_scripts.experiments.runs import RlRun
from workflow_scripts.model.device import prepare_torch
from workflow_scripts.model.draw import SamplingParameters
from workflow_scripts.model.generate import generate, load_to_sample
from workflow_scripts.model.manifest import verify_model
from workflow_scripts.model.text_codec import load_codec
from workflow_scripts.operate.annotate import Annotated, annotate
from workflow_scripts.operate.reference import REFERENCE
from workflow_scripts.plan.study import Study
from workflow_scripts.settings.sampling import SamplingSettings
from workflow_scripts.task.datasets import Row, make_prompts, make_validation, read_dataset
from workflow_scripts.task.problems import PROBLEM_TYPES, Problem


@dataclass(frozen=True)
class Recorded:
    """The recorded models of a seed: folders by model (F, B, FB), after SFT and after RL."""

    run: RlRun
    sft: dict[str, Path]
    rl: dict[str, Path]


def find_recorded(study: Study) -> Recorded:
    """The models of the first seed, after RL on the hardest prompts.

    Raises StudyError if one is missing or altered.
    """
    run, folder = study.hardest_run, REFERENCE / study.tier / "models"
    runs = {
        member.model: member.run
        for member in study.members["main"]
        if isinstance(member.run, RlRun)
        and (member.run.seed, member.run.prompts) == (run.seed, run.prompts)
    }
    sft: dict[str, Path] = {model: folder / runs[model].sft.name for model in study.main.models}
    rl: dict[str, Path] = {model: folder / runs[model].name for model in study.main.models}
    for path in (*sft.values(), *rl.values()):
        try:
            verify_model(path)
        except (StudyError, KeyError, TypeError):
            raise StudyError(
                f"{path}: a file of this recorded model is missing or altered: put it back with "
                f"git checkout {path}"
            ) from None
    return Recorded(run, sft, rl)


def draw_data(study: Study, run: RlRun, folder: Path) -> tuple[Path, Path]:
    """Write the study's validation problems and the prompts of a run into a folder.

    Returns the two files. They are those that the study makes, bit for bit.
    """
    task, n_problems = run.settings.task, study.settings.data.validation_problems
    files: dict[str, list[Path]] = {}
    for kind, mix in study.validation_kinds.items():
        files[kind] = [folder / f"{split}-{kind}.jsonl" for split in ("dev", "confirm")]
        make_validation(task, mix, n_problems, *files[kind])
    heldout = [file for each in files.values() for file in each]
    prompts = folder / "prompts.jsonl"
    make_prompts(task, run.prompts.mix, run.prompts.n_prompts, run.seed, heldout, prompts)
    return files["steps"][1], prompts


def first_problems(validation: Path, n_steps: int) -> list[Row]:
    """The first problem of each type with a number of steps."""
    rows = read_dataset(validation)
    return [
        next(row for row in rows if (row["type"], row["steps"]) == (type_, n_steps))
        for type_ in PROBLEM_TYPES
    ]


def respond(folder: Path, problems: list[Row], settings: SamplingSettings) -> list[Annotated]:
    """One sampled response of a model to each problem, with its marks.

    The sampling seed is that of operate.score_model.
    """
    prepare_torch(settings.model)
    model, codec = load_to_sample(folder, settings.model), load_codec(folder)
    parameters = SamplingParameters(
        settings.max_new_tokens, frozenset({codec.end}), settings.sampling.temperature
    )
    generator = torch.Generator(settings.model.device)
    generator.manual_seed(sampling_seed(folder.name, 0, settings.sampling.seed))
    prompts = codec.encode([row["prompt"] for row in problems])
    completions = generate(model, prompts, 1, parameters, generator)
    return [
        annotate(Problem.from_json(row["problem"]), text, tokens[-1] == codec.end)
        for row, text, tokens in zip(problems, codec.decode(completions), completions, strict=True)
    ]
