"""The corpus of the offline base models: what a small model knows before it sees the task.

It stands in for pre-training and holds seven kinds of documents:

- facts: single operations, ``e3 + e4 = e7``;
- comparisons: two values and whether they are the same, ``e3 e3 ok`` or ``e3 e5 no``;
- lines: a program and questions about single lines of it: given the value of one variable, the
  worked line that computes the next (``up``) or the previous (``down``) one;
- lists: a program and two of its variables, and the lines from one to the other or back, at random,
  with blanks for the values, ``x4 = _ + e7 = _``: addressing and stopping, nothing computed;
- walks: the prompt of a composition, which asks for its last part or for any, the value that one of
  its parts begins with, and such lines over that part, of which only the first holds that value;
- checks: a prompt, single lines that arrive at the variable whose value is known, and whether each
  agrees with that, ``e3 ok`` or ``e3 no``: no guessing;
- links: the prompt of a composition, single lines that arrive at what is asked of one of its parts,
  and the line that hands the value to the next part, or of the last the answer.

No document holds a guess, a strategy, or two worked lines of which one goes on from the other. By
chance a link may hand on the result of a line to a later line, see docs/reconstruction.md.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from workflow_scripts.model.tokenizer import BLANK, DOWN, LINE, LIST_END, UP
from workflow_scripts.settings.base import CorpusShares
from workflow_scripts.task.field import INVERSE_OPERATION, Field, make_field
from workflow_scripts.task.problems import (
    EVALUATION,
    INVERSION,
    PROBLEM_TYPES,
    Part,
    Problem,
    draw_parts,
    draw_problem,
    most_parts,
)
from workflow_scripts.task.task import BaseTask
from workflow_scripts.task.text import COMPACT, render_program, render_worked_line

FACTS_PER_DOCUMENT = 16
COMPARISONS_PER_DOCUMENT = 24
LINES_PER_DOCUMENT = 8
PART_STEPS = (1, 2)  # of each part of a composition

# A document is a list of segments: a text, and whether the model learns to write it.
Document = list[tuple[str, bool]]


def _facts(rng: Random, field: Field, task: BaseTask, max_steps: int) -> Document:
    document: Document = []
    for _ in range(FACTS_PER_DOCUMENT):
        operation = rng.choice("+*-/")
        a, b = rng.randrange(field.p), rng.randrange(operation in "*/", field.p)
        document.append((f"{field.names[a]} {operation} {field.names[b]} =", False))
        document.append((field.names[field.apply(operation, a, b)], True))
    return document


def _comparisons(rng: Random, field: Field, task: BaseTask, max_steps: int) -> Document:
    document: Document = []
    for _ in range(COMPARISONS_PER_DOCUMENT):
        one = other = rng.choice(field.names)
        if rng.random() < 0.5:
            other = rng.choice(field.names)
        verdict = COMPACT.check(other, one == other).removeprefix(other)
        document += [(f"{one} {other}", False), (verdict + "\n", True)]
    return document


def _program(rng: Random, field: Field, n_variables: int, max_steps: int) -> tuple[Part, str]:
    n_steps = rng.randrange(1, max_steps + 1)
    (part,) = draw_problem(rng, field.p, EVALUATION, n_steps, n_variables).parts
    return part, "\n".join(render_program(field, part)) + "\n"


def _lines(rng: Random, field: Field, task: BaseTask, max_steps: int) -> Document:
    part, program = _program(rng, field, task.n_variables, max_steps)
    document = [(program, False)]
    given: set[tuple[int, int]] = set()  # (variable, value)
    found: set[tuple[int, int]] = set()
    for _ in range(LINES_PER_DOCUMENT):
        index, value = rng.randrange(len(part.steps)), rng.randrange(field.p)
        operation, constant = part.steps[index]
        source, target, direction = part.first + index, part.first + index + 1, UP
        if rng.random() < 0.5:
            source, target, direction = target, source, DOWN
            operation = INVERSE_OPERATION[operation]
        result = field.apply(operation, value, constant)
        if (source, value) in found or (target, result) in given:
            continue  # two lines of which one goes on from the other would be a chain
        given.add((source, value))
        found.add((target, result))
        worked = render_worked_line(field, target, value, operation, constant, result)
        document.append((f"{LINE} {direction} x{source} = {field.names[value]}\n", False))
        document.append((worked + "\n", True))
    return document


def _steps_over(part: Part, up: bool) -> list[tuple[int, str, int]]:
    """(variable, operation, constant) of the lines over a part, up or down."""
    lines = [(part.first + i, *step) for i, step in enumerate(part.steps, start=up)]
    return lines if up else [(v, INVERSE_OPERATION[o], c) for v, o, c in reversed(lines)]


def _blank_lines(field: Field, part: Part, up: bool) -> str:
    """The lines over a part without values, and an end."""
    steps = _steps_over(part, up)
    written = [f"x{v} = {BLANK} {o} {field.names[c]} = {BLANK}" for v, o, c in steps]
    return "\n".join([*written, LIST_END])


def _list(rng: Random, field: Field, task: BaseTask, max_steps: int) -> Document:
    part, program = _program(rng, field, task.n_variables, max_steps)
    one, other = rng.sample(range(len(part.steps) + 1), 2)
    request = f"x{part.first + one} = {BLANK} ; x{part.first + other} ?\n"
    low, high = sorted((one, other))
    between = replace(part, first=part.first + low, steps=part.steps[low:high])
    return [(program + request, False), (_blank_lines(field, between, rng.random() < 0.5), True)]


def _draw_parts(rng: Random, task: BaseTask, fewest: int) -> Problem:
    n_parts = rng.randrange(fewest, most_parts(PART_STEPS, task.n_variables) + 1)
    problem = draw_parts(rng, task.field_size, n_parts, PART_STEPS, task.n_variables)
    return problem.asking_for(rng.randrange(fewest, n_parts + 1) if task.asks == "any" else n_parts)


def _walk(rng: Random, field: Field, task: BaseTask, max_steps: int) -> Document:
    problem = _draw_parts(rng, task, fewest=2)
    index = rng.randrange(len(problem.parts))
    part = problem.parts[index]
    document = [(COMPACT.prompt(problem, show_field_map=False), False)]
    value, up = field.names[problem.known], part.type == EVALUATION
    if index:
        value = rng.choice(field.names)
        document.append((COMPACT.link(part.known_variable, value, up) + "\n", False))
    lines = _blank_lines(field, part, up)
    document.append((lines.replace(BLANK, value, 1), True))
    return document


def _last_line(field: Field, part: Part, result: int) -> str:
    """The worked line that arrives at the part's asked variable with a result."""
    variable, operation, constant = _steps_over(part, part.type == EVALUATION)[-1]
    value = field.apply(INVERSE_OPERATION[operation], result, constant)
    return render_worked_line(field, variable, value, operation, constant, result)


def _checks(rng: Random, field: Field, task: BaseTask, max_steps: int) -> Document:
    n_steps = rng.randrange(1, max_steps + 1)
    problem = draw_problem(rng, field.p, rng.choice(PROBLEM_TYPES), n_steps, task.n_variables)
    (part,) = problem.parts
    other = EVALUATION if part.type == INVERSION else INVERSION
    back = replace(part, type=other)  # asks for what is known, as a guess does
    document = [(COMPACT.prompt(problem, show_field_map=False), False)]
    for _ in range(LINES_PER_DOCUMENT):
        result = problem.known if rng.random() < 0.5 else rng.randrange(field.p)
        check = COMPACT.check(field.names[problem.known], result == problem.known)
        document.append((_last_line(field, back, result) + "\n", False))
        document.append((check + "\n", True))
    return document


def _links(rng: Random, field: Field, task: BaseTask, max_steps: int) -> Document:
    problem = _draw_parts(rng, task, fewest=1)
    n_parts = len(problem.parts)
    document = [(COMPACT.prompt(problem, show_field_map=False), False)]
    for _ in range(LINES_PER_DOCUMENT):
        index, result = rng.randrange(n_parts), rng.randrange(field.p)
        value = field.names[result]
        if index + 1 < n_parts:
            following = problem.parts[index + 1]
            handed = COMPACT.link(following.known_variable, value, following.type == EVALUATION)
        else:
            handed = COMPACT.answer(value)
        document.append((_last_line(field, problem.parts[index], result) + "\n", False))
        document.append((handed + "\n", True))
    return document


_WRITERS: dict[str, Callable[[Random, Field, BaseTask, int], Document]] = {
    "facts": _facts,
    "comparisons": _comparisons,
    "lines": _lines,
    "lists": _list,
    "walks": _walk,
    "checks": _checks,
    "links": _links,
}


def draw_document(rng: Random, task: BaseTask, max_steps: int, shares: CorpusShares) -> Document:
    """Draw one document, of programs of at most max_steps steps.

    shares are the probabilities of the kinds.
    """
    kinds = sorted(_WRITERS)  # the draw must not depend on the order in which they stand above
    (kind,) = rng.choices(kinds, [getattr(shares, kind) for kind in kinds])
    return _WRITERS[kind](rng, make_field(task.field_size), task, max_steps)
