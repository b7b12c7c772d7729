"""The training corpus of the offline base models: what a small model knows before SFT.

An offline base model is trained from scratch on this corpus, which replaces pre-training. A worked
line is a written calculation, such as ``x3 = e5 + e4 = e9``. A composition is a problem of several
parts (see task.problems). The corpus has seven kinds of documents:

- facts: single operations, ``e3 + e4 = e7``;
- comparisons: two values and whether they are equal, ``e3 e3 ok`` or ``e3 e5 no``;
- lines: a program and requests for single worked lines. A request gives the value of one variable;
  the worked line computes the next variable (``up``) or the previous variable (``down``);
- lists: a program, two of its variables, and the lines between the two variables, in a random
  direction, with blanks for the values, ``x4 = _ + e7 = _``. A list trains a model to find lines
  and to stop, without any computation;
- walks: the prompt of a composition, the start value of one part, and the lines over that part with
  blanks for the values. Only the first line holds the start value;
- checks: a prompt, single worked lines that end at the variable whose value is known, and for each
  line whether its result is the known value, ``e3 ok`` or ``e3 no``. No value is guessed;
- links: the prompt of a composition, single worked lines that end at the asked variable of one
  part, and after each line the link that passes the result to the next part. After a line of the
  last part, the answer follows instead of a link.

No document holds a guess, a strategy, or two worked lines where one continues from the result of
the other. By chance, a link may pass the result of one line to a later line, see
docs/reconstruction.md.
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
from workflow_scripts.task.solutions import FITTING_STRATEGY, STRATEGIES
from workflow_scripts.task.task import BaseTask
from workflow_scripts.task.text import COMPACT, render_program, render_worked_line

FACTS_PER_DOCUMENT = 16
COMPARISONS_PER_DOCUMENT = 24
LINES_PER_DOCUMENT = 8
PART_STEPS = (1, 2)  # possible numbers of steps of a part of a composition

# A document is a list of segments: (text, learnt). The training loss covers only learnt segments.
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
    """Draw a program of 1 to max_steps steps. Returns the program as a part and as text."""
    n_steps = rng.randrange(1, max_steps + 1)
    (part,) = draw_problem(rng, field.p, EVALUATION, n_steps, n_variables).parts
    return part, "\n".join(render_program(field, part)) + "\n"


def _lines(rng: Random, field: Field, task: BaseTask, max_steps: int) -> Document:
    part, program = _program(rng, field, task.n_variables, max_steps)
    document = [(program, False)]
    given: set[tuple[int, int]] = set()  # (variable, value) pairs that lines start from
    found: set[tuple[int, int]] = set()  # (variable, value) pairs that lines compute
    for _ in range(LINES_PER_DOCUMENT):
        index, value = rng.randrange(len(part.steps)), rng.randrange(field.p)
        operation, constant = part.steps[index]
        source, target, direction = part.first + index, part.first + index + 1, UP
        if rng.random() < 0.5:
            source, target, direction = target, source, DOWN
            operation = INVERSE_OPERATION[operation]
        result = field.apply(operation, value, constant)
        if (source, value) in found or (target, result) in given:
            continue  # skip a line that would form a chain with an earlier line
        given.add((source, value))
        found.add((target, result))
        worked = render_worked_line(field, target, value, operation, constant, result)
        document.append((f"{LINE} {direction} x{source} = {field.names[value]}\n", False))
        document.append((worked + "\n", True))
    return document


def _steps_over(part: Part, up: bool) -> list[tuple[int, str, int]]:
    """The (variable, operation, constant) of each line over a part, in the order of the lines.

    With up, the lines apply the part's steps. Otherwise, the lines undo the steps from the last.
    """
    lines = [(part.first + i, *step) for i, step in enumerate(part.steps, start=up)]
    return lines if up else [(v, INVERSE_OPERATION[o], c) for v, o, c in reversed(lines)]


def _blank_lines(field: Field, part: Part, up: bool) -> str:
    """The lines over a part with blanks for the values, and the mark of the list's end."""
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
    """Draw a problem of at least `fewest` parts that asks for the part that task.asks allows."""
    n_parts = rng.randrange(fewest, most_parts(PART_STEPS, task.n_variables) + 1)
    problem = draw_parts(rng, task.field_size, n_parts, PART_STEPS, task.n_variables)
    return problem.asking_for(rng.randrange(fewest, n_parts + 1) if task.asks == "any" else n_parts)


def _link(part: Part, value: str) -> str:
    """The line that states the value of a part's known variable."""
    return COMPACT.link(part.known_variable, value, STRATEGIES[FITTING_STRATEGY[part.type]].verb)


def _walk(rng: Random, field: Field, task: BaseTask, max_steps: int) -> Document:
    problem = _draw_parts(rng, task, fewest=2)
    index = rng.randrange(len(problem.parts))
    part = problem.parts[index]
    document = [(COMPACT.prompt(problem, show_field_map=False), False)]
    value = field.names[problem.known]
    if index:
        value = rng.choice(field.names)
        document.append((_link(part, value) + "\n", False))
    lines = _blank_lines(field, part, part.type == EVALUATION)
    document.append((lines.replace(BLANK, value, 1), True))
    return document


def _last_line(field: Field, part: Part, result: int) -> str:
    """The worked line that computes the given result for the part's asked variable."""
    variable, operation, constant = _steps_over(part, part.type == EVALUATION)[-1]
    value = field.apply(INVERSE_OPERATION[operation], result, constant)
    return render_worked_line(field, variable, value, operation, constant, result)


def _checks(rng: Random, field: Field, task: BaseTask, max_steps: int) -> Document:
    n_steps = rng.randrange(1, max_steps + 1)
    problem = draw_problem(rng, field.p, rng.choice(PROBLEM_TYPES), n_steps, task.n_variables)
    (part,) = problem.parts
    other = EVALUATION if part.type == INVERSION else INVERSION
    back = replace(part, type=other)  # asks for the known variable, like the check of a guess
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
            handed = _link(problem.parts[index + 1], value)
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
    """Draw one document. shares holds the probability of each kind of document.

    A program of one part has at most max_steps steps. The parts of compositions have PART_STEPS.
    """
    kinds = sorted(_WRITERS)  # sorted, so that the draw does not depend on the order in _WRITERS
    (kind,) = rng.choices(kinds, [getattr(shares, kind) for kind in kinds])
    return _WRITERS[kind](rng, make_field(task.field_size), task, max_steps)
