"""Strategies, and writers of solutions by them.

The forward strategy applies the steps in order, so it fits evaluation problems. The backward
strategy undoes the steps from last to first, so it fits inversion problems. On the other type, a
strategy can only *guess and check*: guess the asked value, work through the program from the guess,
compare the result with the known value, and guess again if the two differ.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import NamedTuple

from workflow_scripts.task.field import INVERSE_OPERATION, Field
from workflow_scripts.task.problems import EVALUATION, INVERSION, PROBLEM_TYPES, Part, Problem
from workflow_scripts.task.text import Form, count_words, render_worked_line

FORWARD, BACKWARD = "forward", "backward"

# What a worked line does: (variable, operation, constant).
Walk = Callable[[Field, Part], Iterator[tuple[int, str, int]]]


@dataclass(frozen=True)
class Strategy:
    """A direction in which programs are worked through.

    fits is the type of problem that the strategy solves directly, from the known value. walk gives
    the worked lines of a part in their order, each on the result of the line before. verb says in
    the natural form what is done with the steps.
    """

    fits: str
    walk: Walk
    verb: str


def _apply_steps(field: Field, part: Part) -> Iterator[tuple[int, str, int]]:
    for variable, (operation, constant) in enumerate(part.steps, start=part.first + 1):
        yield variable, operation, constant


def _undo_steps(field: Field, part: Part) -> Iterator[tuple[int, str, int]]:
    for offset, (operation, constant) in reversed([*enumerate(part.steps)]):
        yield part.first + offset, INVERSE_OPERATION[operation], constant


# Labels, scores, tables and figures follow this list. A type's first strategy is its main one.
STRATEGIES = {
    FORWARD: Strategy(EVALUATION, _apply_steps, "apply"),
    BACKWARD: Strategy(INVERSION, _undo_steps, "undo"),
}
# The strategies that fit each type, the main one first, and the main one alone.
FITTING = {
    type_: tuple(name for name, strategy in STRATEGIES.items() if strategy.fits == type_)
    for type_ in PROBLEM_TYPES
}
FITTING_STRATEGY = {type_: names[0] for type_, names in FITTING.items()}


class _Words(NamedTuple):
    """Numbers of words of a form's lines. text.WORD defines a word."""

    line: int
    guess: int  # a guess line and its check line
    link: int
    answer: int  # the answer line, plus one for the end token


@cache
def _words(form: Form) -> _Words:
    return _Words(
        line=count_words(form.worked_line("x1 = e1 + e1 = e2")),
        guess=count_words(form.guess(1, "e1")) + count_words(form.check("e1", True)),
        link=count_words(form.link(1, "e1", "apply")),
        answer=count_words(form.answer("e1")) + 1,
    )


def solution_words(form: Form, n_steps: int, n_parts: int = 1) -> int:
    """The number of words of a solution by fitting strategies, with the end token."""
    words = _words(form)
    n_links = n_parts if form.opens else n_parts - 1
    return words.line * n_steps + words.link * n_links + words.answer


def guess_and_check_words(form: Form, n_steps: int, n_guesses: int = 1) -> int:
    """The number of words of a one-part solution with n_guesses guesses, with the end token."""
    words = _words(form)
    return (words.guess + words.line * n_steps) * n_guesses + words.answer


def max_guesses(form: Form, p: int, n_steps: int, word_limit: int) -> int:
    """The number of guesses that fit into a solution of word_limit words, at most p."""
    words = _words(form)
    return min(p, (word_limit - words.answer) // (words.guess + words.line * n_steps))


def work_through(
    form: Form, field: Field, part: Part, strategy: str, start: int
) -> tuple[list[str], int]:
    """Return a part's worked lines from a start value, and the result of the last line."""
    lines, value = [], start
    for variable, operation, constant in STRATEGIES[strategy].walk(field, part):
        result = field.apply(operation, value, constant)
        line = render_worked_line(field, variable, value, operation, constant, result)
        lines.append(form.worked_line(line))
        value = result
    return lines, value


def _guess_and_check(
    form: Form, problem: Problem, part: Part, strategy: str, rng: Random, word_limit: int
) -> list[str]:
    """The lines of a guess-and-check solution whose last guess is right.

    The values are guessed in a random order. All orders that reach the answer within word_limit
    words are equally likely. Raises ValueError if not even one guess fits into word_limit words.
    """
    field, answer = problem.field, problem.answer
    limit = max_guesses(form, field.p, len(part.steps), word_limit)
    if limit < 1:
        raise ValueError(f"no guess of {len(part.steps)} steps fits into {word_limit} words")
    n_wrong = rng.randrange(limit)
    wrong = rng.sample([value for value in range(field.p) if value != answer], n_wrong)
    lines = []
    for guess in [*wrong, answer]:
        lines.append(form.guess(part.asked_variable, field.names[guess]))
        lines += work_through(form, field, part, strategy, guess)[0]
        lines.append(form.check(field.names[problem.known], guess == answer))
    return lines


def write_solution(
    form: Form, problem: Problem, strategy: str, rng: Random, word_limit: int
) -> str:
    """Write a correct response to a problem of one part with the given strategy.

    If the strategy does not fit the problem's type, the response guesses and checks, and rng draws
    the guesses. Raises ValueError if not even one guess fits into word_limit words.
    """
    (part,) = problem.parts
    if STRATEGIES[strategy].fits == part.type:
        return write_direct_solution(form, problem, [strategy])
    lines = _guess_and_check(form, problem, part, strategy, rng, word_limit)
    return "\n".join([*lines, form.answer(problem.field.names[problem.answer])])


def write_fitting_solution(form: Form, problem: Problem) -> str:
    """Write a correct response in which every part is solved by the main strategy that fits it."""
    return write_direct_solution(form, problem, [FITTING_STRATEGY[p.type] for p in problem.parts])


def write_direct_solution(form: Form, problem: Problem, strategies: Sequence[str]) -> str:
    """Write a correct response without a guess, with one strategy for each part, which fits it.

    Before each part, a link line states the part's known value. Before the first part, only forms
    with Form.opens have a link line.
    """
    field, value, lines = problem.field, problem.known, []
    for index, (part, strategy) in enumerate(zip(problem.parts, strategies, strict=True)):
        if index or form.opens:
            name, verb = field.names[value], STRATEGIES[strategy].verb
            lines.append(form.link(part.known_variable, name, verb))
        worked, value = work_through(form, field, part, strategy, value)
        lines += worked
    return "\n".join([*lines, form.answer(field.names[value])])
