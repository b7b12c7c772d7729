"""The data stage: writes validation sets, SFT sets and RL prompt sets as JSON lines.

    python -m workflow_scripts.task.datasets PLAN

The first line of a file is its header: the settings and the seed of the draw, the number of rows,
and a hash of the rows, by which a reader detects a damaged file. Every other line is a row: an
example of an SFT set, a prompt of an RL set or a problem of a validation set.

A mix (see task.mixes) says which problems a set holds. A validation set has two splits: dev, for
choosing recipes, and confirm, for reported numbers. No SFT set or RL set holds a problem of either
split; problems are compared by their canonical forms (see Problem.canonical).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import damaged, write_text
from workflow_scripts.task.mixes import Compositions, PromptMix, SftMix, ValidationMix, to_json
from workflow_scripts.task.problems import (
    EVALUATION,
    INVERSION,
    PROBLEM_TYPES,
    Canonical,
    Problem,
    draw_parts,
    draw_problem,
    most_parts,
)
from workflow_scripts.task.solutions import write_fitting_solution, write_solution
from workflow_scripts.task.task import Task

SPLITS = ("dev", "confirm")

Row = dict[str, Any]


def _make_row(index: int, problem: Problem, task: Task, **solution: str) -> Row:
    return {
        "id": index,
        "type": problem.type,
        "steps": problem.n_steps,
        "parts": len(problem.parts),
        "prompt": task.form.prompt(problem, task.field_map == "prompt"),
        **solution,
        "problem": problem.to_json(),
    }


def _draw_new(draw: Callable[[], Problem], taken: set[Canonical]) -> Problem:
    """Draw problems until one has a canonical form that is not in taken.

    Raises StudyError if 1000 problems in a row are taken.
    """
    for _ in range(1000):
        problem = draw()
        if problem.canonical not in taken:
            return problem
    raise StudyError("1000 problems in a row were validation problems: set fewer of them")


def _draw_single(rng: Random, task: Task, type_: str, n_steps: int) -> Problem:
    return draw_problem(rng, task.field_size, type_, n_steps, task.n_variables)


def _draw_composition(rng: Random, task: Task, mix: Compositions, n_parts: int) -> Problem:
    """Draw a problem that asks for the answer of part n_parts, counted from 1.

    If task.asks is "any", the prompt shows as many parts as fit, whatever n_parts is. Otherwise the
    prompt shows n_parts parts.
    """
    n_variables = task.n_variables
    n_shown = most_parts(mix.part_steps, n_variables) if task.asks == "any" else n_parts
    shown = draw_parts(rng, task.field_size, n_shown, mix.part_steps, n_variables)
    return shown.asking_for(n_parts)


def _seed_of(mix: ValidationMix | SftMix | PromptMix) -> str:
    """A mix as JSON text, for the seed of a random number generator."""
    return json.dumps(to_json(mix), sort_keys=True)


def draw_validation(task: Task, mix: ValidationMix, n_problems: int) -> dict[str, list[Row]]:
    """Draw the splits dev and confirm of one mix. All their problems are distinct.

    Each split has n_problems problems, spread evenly over strata: stratum sizes differ by at most
    one problem. A stratum of compositions is one number of parts. A stratum of single problems is
    one type with one number of steps.

    Within a stratum, the counts of the answers differ by at most one. Of single problems, the share
    of shortcut hits (Problem.is_shortcut_hit) is that of random problems, 2 / p, to within one
    problem per stratum. Raises StudyError if the field has too few such problems.
    """
    taken: set[Canonical] = set()
    return {split: _draw_split(split, task, mix, n_problems, taken) for split in SPLITS}


def _draw_split(
    split: str, task: Task, mix: ValidationMix, n_problems: int, taken: set[Canonical]
) -> list[Row]:
    """Draw one split, and add the canonical forms of its problems to taken."""
    rng = Random(f"validation {split} GF({task.field_size}) {_seed_of(mix)}")
    strata: list[Callable[[], Problem]]
    if isinstance(mix, Compositions):
        strata = [partial(_draw_composition, rng, task, mix, n_parts) for n_parts in mix.parts]
    else:
        cells = product(PROBLEM_TYPES, mix.steps)
        strata = [partial(_draw_single, rng, task, type_, n_steps) for type_, n_steps in cells]
    size, larger = divmod(n_problems, len(strata))
    sizes = [size + (index < larger) for index in range(len(strata))]
    rows: list[Row] = []
    for stratum, answer, hit in _targets(task.field_size, sizes):
        wanted = None if isinstance(mix, Compositions) else hit
        problem = _draw_new(partial(_draw_target, strata[stratum], answer, wanted), taken)
        taken.add(problem.canonical)
        rows.append(_make_row(len(rows), problem, task))
    return rows


def _targets(p: int, sizes: list[int]) -> Iterator[tuple[int, int, bool]]:
    """For each row of a split: its stratum, its answer, and whether it is to be a shortcut hit.

    sizes are the sizes of the strata. The rows of a stratum form blocks of p rows, the last block
    incomplete, and a block has each answer once. The hits are spaced evenly over the whole split:
    2 of any p successive rows. Each block starts at another answer, so the hits take all answers in
    turn. The first rows of a stratum, which pass@k uses, are balanced in the same way.
    """
    row = block = 0
    for stratum, size in enumerate(sizes):
        for place in range(size):
            block += place % p == 0
            yield stratum, (block + place) % p, (2 * row + p // 2) % p >= p - 2
            row += 1


def _draw_target(draw: Callable[[], Problem], answer: int, hit: bool | None) -> Problem:
    """Draw problems until one is a shortcut hit or none, as hit says; None accepts both.

    The known value of each is replaced by the one that leads to the wanted answer. For every
    program there is exactly one such value, so this draws from all problems with this answer.
    """
    while True:
        problem = draw().with_answer(answer)
        if hit is None or problem.is_shortcut_hit == hit:
            return problem


def _solve(problem: Problem, task: Task, mix: SftMix, rng: Random) -> dict[str, str]:
    """Write a solution, as the columns strategy and response of a row.

    For a single problem, the strategy is drawn from the mix, independently of the problem. Every
    part of a composition is solved by the strategy that fits its type.
    """
    if isinstance(mix, Compositions):
        return {"strategy": "fitting", "response": write_fitting_solution(task.form, problem)}
    strategy = mix.draw_strategy(rng)
    response = write_solution(task.form, problem, strategy, rng, task.response_words)
    return {"strategy": strategy, "response": response}


def draw_sft(
    task: Task, mix: SftMix, n_examples: int, seed: int, taken: set[Canonical]
) -> list[Row]:
    """Draw n_examples SFT examples whose problems are not in taken (canonical forms).

    The strategy of a single problem is drawn independently of the problem. Every part of a
    composition is solved by the strategy that fits its type. Raises StudyError if taken leaves too
    few other problems.
    """
    rng = Random(f"sft GF({task.field_size}) {_seed_of(mix)} seed {seed}")
    examples = []
    for index in range(n_examples):
        draw: Callable[[], Problem]
        if isinstance(mix, Compositions):
            draw = partial(_draw_composition, rng, task, mix, rng.choice(mix.parts))
        else:
            type_, n_steps = rng.choice(PROBLEM_TYPES), rng.choice(mix.steps)
            draw = partial(_draw_single, rng, task, type_, n_steps)
        problem = _draw_new(draw, taken)
        examples.append(_make_row(index, problem, task, **_solve(problem, task, mix, rng)))
    return examples


def solve_heldout(task: Task, mix: SftMix, validation: list[Row]) -> list[Row]:
    """Write solutions of validation problems in the same way as those of a mix's SFT examples.

    Only problems of a size in the mix are solved: of single problems, the size is the number of
    steps, of compositions the number of parts.
    """
    rng = Random(f"heldout GF({task.field_size}) {_seed_of(mix)}")
    if isinstance(mix, Compositions):
        chosen = [row for row in validation if row["parts"] in mix.parts]
    else:
        chosen = [row for row in validation if row["steps"] in mix.steps]
    problems = [Problem.from_json(row["problem"]) for row in chosen]
    return [
        _make_row(index, problem, task, **_solve(problem, task, mix, rng))
        for index, problem in enumerate(problems)
    ]


def draw_prompts(
    task: Task, mix: PromptMix, n_prompts: int, seed: int, taken: set[Canonical]
) -> list[Row]:
    """Draw n_prompts RL prompts whose problems are not in taken (canonical forms).

    Each seed draws other prompts. The share of evaluation problems is exact up to rounding. The
    numbers of steps (for compositions, of parts) are used in rotation. Raises StudyError if taken
    leaves too few other problems.
    """
    rng = Random(f"prompts GF({task.field_size}) {_seed_of(mix)} seed {seed}")
    prompts = []
    for index in range(n_prompts):
        draw: Callable[[], Problem]
        if isinstance(mix, Compositions):
            n_parts = mix.parts[index % len(mix.parts)]
            draw = partial(_draw_composition, rng, task, mix, n_parts)
        else:
            type_ = EVALUATION if index < round(mix.evaluation_share * n_prompts) else INVERSION
            draw = partial(_draw_single, rng, task, type_, mix.steps[index % len(mix.steps)])
        prompts.append(_make_row(index, _draw_new(draw, taken), task))
    return prompts


def write_dataset(path: Path, settings: dict[str, Any], rows: list[Row]) -> None:
    """Write a data set atomically. settings is a JSON value for the header."""
    body = "".join(json.dumps(row) + "\n" for row in rows)
    header = {
        "settings": settings,
        "n_records": len(rows),
        "sha256": hashlib.sha256(body.encode()).hexdigest(),
    }
    write_text(path, json.dumps(header) + "\n" + body)


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """The header of a data set and the text of its rows.

    Raises StudyError if the file is missing, or if its rows do not match the header's hash.
    """
    try:
        first, _, body = path.read_text(encoding="utf-8").partition("\n")
        header = json.loads(first)
        expected = header["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from None
    if hashlib.sha256(body.encode()).hexdigest() != expected:
        raise damaged(path, "its content does not match its header")
    return header, body


def read_dataset(path: Path) -> list[Row]:
    """Read the rows of a data set.

    Raises StudyError, naming the file, if the file is missing, cut short or altered.
    """
    return [json.loads(line) for line in _read(path)[1].splitlines()]


def read_task(path: Path) -> Task:
    """The task settings in a data set's header. Raises StudyError as read_dataset does."""
    header, _ = _read(path)
    try:
        return Task(**header["settings"]["task"])
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from None


def canonical_forms(paths: Iterable[Path]) -> set[Canonical]:
    """The canonical forms of all problems in the data sets. Raises as read_dataset does."""
    return {
        Problem.from_json(row["problem"]).canonical for path in paths for row in read_dataset(path)
    }


def _write_training_set(
    path: Path, settings: dict[str, Any], rows: list[Row], taken: set[Canonical]
) -> None:
    """Write a data set. Raises StudyError if the problem of a row is in taken."""
    shared = [row["id"] for row in rows if Problem.from_json(row["problem"]).canonical in taken]
    if shared:
        raise StudyError(f"{path}: rows {shared[:5]} are validation problems")
    write_dataset(path, settings, rows)


def _header(kind: str, task: Task, mix: ValidationMix | SftMix | PromptMix) -> dict[str, Any]:
    """The entries of a header that describe the data set's content."""
    return {"kind": kind, "task": asdict(task), "mix": to_json(mix)}


def make_validation(task: Task, mix: ValidationMix, n: int, dev: Path, confirm: Path) -> None:
    """Write the splits of a validation set, n problems each; see draw_validation."""
    splits = draw_validation(task, mix, n)
    for split, path in zip(SPLITS, (dev, confirm), strict=True):
        write_dataset(path, {**_header("validation", task, mix), "split": split}, splits[split])


def make_sft(
    task: Task, mix: SftMix, n: int, seed: int, validation: list[Path], output: Path
) -> None:
    """Write an SFT set of n examples that holds no validation problem; see draw_sft."""
    taken = canonical_forms(validation)
    settings = {**_header("sft", task, mix), "seed": seed}
    _write_training_set(output, settings, draw_sft(task, mix, n, seed, taken), taken)


def make_heldout(task: Task, mix: SftMix, validation: Path, output: Path) -> None:
    """Write the problems of a validation set with solutions; see solve_heldout."""
    solved = solve_heldout(task, mix, read_dataset(validation))
    write_dataset(output, _header("heldout", task, mix), solved)


def make_prompts(
    task: Task, mix: PromptMix, n: int, seed: int, validation: list[Path], output: Path
) -> None:
    """Write an RL set of n prompts that holds no validation problem; see draw_prompts."""
    taken = canonical_forms(validation)
    settings = {**_header("prompts", task, mix), "seed": seed}
    _write_training_set(output, settings, draw_prompts(task, mix, n, seed, taken), taken)


if __name__ == "__main__":
    # Imported here because everything above needs only the standard library.
    from workflow_scripts.common.jobs import run_stage

    run_stage(__doc__)
