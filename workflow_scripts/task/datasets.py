"""The data stage: validation sets, SFT sets and RL prompt sets, as JSON lines.

    python -m workflow_scripts.task.datasets PLAN

The first line of a file is its header: what was drawn, with which settings and seed, how many
records follow, and their hash, by which a reader notices a file that is not whole.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from random import Random

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import damaged, write_text
from workflow_scripts.task.problems import (
    EVALUATION,
    INVERSION,
    PROBLEM_TYPES,
    Problem,
    draw_parts,
    draw_problem,
    most_parts,
)
from workflow_scripts.task.solutions import (
    BACKWARD,
    FORWARD,
    write_fitting_solution,
    write_solution,
)
from workflow_scripts.task.text import FORMS

SPLITS = ("dev", "final")


def _record(index: int, problem: Problem, task: dict, **extra) -> dict:
    return {
        "id": index,
        "type": problem.type,
        "steps": problem.n_steps,
        "parts": len(problem.parts),
        "prompt": FORMS[task["text"]].prompt(problem, task["field_map"] == "prompt"),
        **extra,
        "problem": problem.to_json(),
    }


def _draw_new(draw: Callable[..., Problem], *args, taken: set) -> Problem:
    """Draw until the problem is not among those taken, by canonical form."""
    for _ in range(1000):
        problem = draw(*args)
        if problem.canonical not in taken:
            return problem
    raise StudyError("1000 problems in a row were validation problems: set fewer of them")


def _draw_single(rng: Random, task: dict, type_: str, n_steps: int) -> Problem:
    return draw_problem(rng, task["field_size"], type_, n_steps, task["n_variables"])


def _draw_parts(rng: Random, task: dict, n_parts: int, part_steps: list[int]) -> Problem:
    n_variables = task["n_variables"]
    n_shown = most_parts(part_steps, n_variables) if task["asks"] == "any" else n_parts
    shown = draw_parts(rng, task["field_size"], n_shown, part_steps, n_variables)
    return shown.asking_for(n_parts)


def draw_validation(task: dict, strata: dict, n_problems: int) -> dict[str, list[dict]]:
    """Draw the splits dev and final of one kind, disjoint and without repetition.

    strata holds ``steps`` (each number with each type), or ``parts`` and ``part_steps``
    (each number of parts). Strata differ in size by one problem at most.
    """
    rng = Random(f"validation GF({task['field_size']}) {json.dumps(strata, sort_keys=True)}")
    if "parts" in strata:
        cells = [(_draw_parts, n_parts, strata["part_steps"]) for n_parts in strata["parts"]]
    else:
        cells = [(_draw_single, *cell) for cell in product(PROBLEM_TYPES, strata["steps"])]
    taken: set = set()
    splits: dict[str, list[dict]] = {split: [] for split in SPLITS}
    for records in splits.values():
        for index, (draw, *cell) in enumerate(cells):
            for _ in range(n_problems // len(cells) + (index < n_problems % len(cells))):
                problem = _draw_new(draw, rng, task, *cell, taken=taken)
                taken.add(problem.canonical)
                records.append(_record(len(records), problem, task))
    return splits


def _solve(problem: Problem, task: dict, mix: dict, rng: Random) -> dict[str, str]:
    """Write a solution by a strategy of the mix, drawn independently of the problem."""
    form = FORMS[task["text"]]
    if "parts" in mix:
        return {"strategy": "fitting", "response": write_fitting_solution(form, problem)}
    strategy = BACKWARD if rng.random() < mix["backward_share"] else FORWARD
    response = write_solution(form, problem, strategy, rng, task["response_words"])
    return {"strategy": strategy, "response": response}


def draw_sft(task: dict, mix: dict, n_examples: int, seed: int, taken: set) -> list[dict]:
    """Draw SFT examples: problem and strategy independently, none of the problems taken.

    mix holds ``steps`` and ``backward_share``, or ``parts`` and ``part_steps`` (compositions,
    every part solved by its fitting strategy).
    """
    rng = Random(f"sft GF({task['field_size']}) {json.dumps(mix, sort_keys=True)} seed {seed}")
    records = []
    for index in range(n_examples):
        if "parts" in mix:
            n_parts = rng.choice(mix["parts"])
            problem = _draw_new(_draw_parts, rng, task, n_parts, mix["part_steps"], taken=taken)
        else:
            cell = rng.choice(PROBLEM_TYPES), rng.choice(mix["steps"])
            problem = _draw_new(_draw_single, rng, task, *cell, taken=taken)
        records.append(_record(index, problem, task, **_solve(problem, task, mix, rng)))
    return records


def solve_heldout(task: dict, mix: dict, validation: list[dict]) -> list[dict]:
    """Solve the validation problems of the sizes of a mix as its SFT examples are solved."""
    rng = Random(f"heldout GF({task['field_size']}) {json.dumps(mix, sort_keys=True)}")
    size = "parts" if "parts" in mix else "steps"
    problems = [Problem.from_json(r["problem"]) for r in validation if r[size] in mix[size]]
    return [
        _record(index, problem, task, **_solve(problem, task, mix, rng))
        for index, problem in enumerate(problems)
    ]


def draw_prompts(task: dict, mix: dict, n_prompts: int, taken: set) -> list[dict]:
    """Draw RL prompts, the same for all seeds: exact shares of types, steps or parts in turn."""
    rng = Random(f"prompts GF({task['field_size']}) {json.dumps(mix, sort_keys=True)}")
    records = []
    for index in range(n_prompts):
        if "parts" in mix:
            n_parts = mix["parts"][index % len(mix["parts"])]
            problem = _draw_new(_draw_parts, rng, task, n_parts, mix["part_steps"], taken=taken)
        else:
            type_ = EVALUATION if index < round(mix["evaluation_share"] * n_prompts) else INVERSION
            n_steps = mix["steps"][index % len(mix["steps"])]
            problem = _draw_new(_draw_single, rng, task, type_, n_steps, taken=taken)
        records.append(_record(index, problem, task))
    return records


def write_dataset(path: Path, settings: dict, records: list[dict]) -> None:
    body = "".join(json.dumps(record) + "\n" for record in records)
    header = {
        "settings": settings,
        "n_records": len(records),
        "sha256": hashlib.sha256(body.encode()).hexdigest(),
    }
    write_text(path, json.dumps(header) + "\n" + body)


def _read(path: Path) -> tuple[dict, str]:
    """The header of a data set and the text of its records."""
    try:
        first, _, body = path.read_text(encoding="utf-8").partition("\n")
        header = json.loads(first)
        expected = header["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None
    if hashlib.sha256(body.encode()).hexdigest() != expected:
        raise damaged(path, "its content does not match its header")
    return header, body


def read_dataset(path: Path) -> list[dict]:
    """Read the records of a data set.

    Raises StudyError, naming the file, if it is missing, cut short or altered.
    """
    return [json.loads(line) for line in _read(path)[1].splitlines()]


def read_task(path: Path) -> dict:
    """The settings of the task that a data set was drawn with. Raises as read_dataset."""
    return _read(path)[0]["settings"]["task"]


def canonical_forms(paths: Iterable[Path]) -> set:
    return {
        Problem.from_json(record["problem"]).canonical
        for path in paths
        for record in read_dataset(path)
    }


def _write_training_set(path: Path, settings: dict, records: list[dict], taken: set) -> None:
    shared = [r["id"] for r in records if Problem.from_json(r["problem"]).canonical in taken]
    if shared:
        raise StudyError(f"{path}: records {shared[:5]} are validation problems")
    write_dataset(path, settings, records)


def make_validation(task: dict, mix: dict, n: int, dev: Path, final: Path) -> None:
    """Write both splits of one kind of validation set, n problems each; see draw_validation."""
    settings = {"kind": "validation", "task": task, "mix": mix}
    splits = draw_validation(task, mix, n)
    for split, path in zip(SPLITS, (dev, final), strict=True):
        write_dataset(path, {**settings, "split": split}, splits[split])


def make_sft(
    task: dict, mix: dict, n: int, seed: int, validation: list[Path], output: Path
) -> None:
    """Write an SFT set without the problems of the validation sets; see draw_sft."""
    taken = canonical_forms(validation)
    settings = {"kind": "sft", "task": task, "mix": mix, "seed": seed}
    _write_training_set(output, settings, draw_sft(task, mix, n, seed, taken), taken)


def make_heldout(task: dict, mix: dict, validation: Path, output: Path) -> None:
    """Write the solutions of a validation set; see solve_heldout."""
    settings = {"kind": "heldout", "task": task, "mix": mix}
    write_dataset(output, settings, solve_heldout(task, mix, read_dataset(validation)))


def make_prompts(task: dict, mix: dict, n: int, validation: list[Path], output: Path) -> None:
    """Write an RL prompt set without the problems of the validation sets; see draw_prompts."""
    taken = canonical_forms(validation)
    settings = {"kind": "prompts", "task": task, "mix": mix}
    _write_training_set(output, settings, draw_prompts(task, mix, n, taken), taken)


if __name__ == "__main__":
    from workflow_scripts.common.jobs import run_stage  # the library itself needs no package

    run_stage(__doc__)
