"""Writers of solutions: forward, backward, and guess and check where a strategy does not fit.

Forward applies the steps in order, so it fits evaluation; backward undoes them from the last, so it
fits inversion. On the other type a strategy can only guess the value that it needs to start from,
work through the program, and compare the end with the known value.
"""

from functools import cache
from random import Random
from typing import NamedTuple

from workflow_scripts.task.field import INVERSE_OPERATION, Field
from workflow_scripts.task.problems import EVALUATION, INVERSION, Part, Problem
from workflow_scripts.task.text import Form, count_words, render_worked_line

FORWARD, BACKWARD = "forward", "backward"
STRATEGIES = (FORWARD, BACKWARD)
FITTING_STRATEGY = {EVALUATION: FORWARD, INVERSION: BACKWARD}


class _Words(NamedTuple):
    """Words of a form, see text.WORD."""

    line: int
    guess: int  # with its check
    link: int
    answer: int  # with the end of the text


@cache
def _words(form: Form) -> _Words:
    return _Words(
        line=count_words(form.worked_line("x1 = e1 + e1 = e2")),
        guess=count_words(form.guess(1, "e1")) + count_words(form.check("e1", True)),
        link=count_words(form.link(1, "e1", True)),
        answer=count_words(form.answer("e1")) + 1,
    )


def solution_words(form: Form, n_steps: int, n_parts: int = 1) -> int:
    """Words of a solution by the fitting strategy."""
    words = _words(form)
    n_links = n_parts if form.opens else n_parts - 1
    return words.line * n_steps + words.link * n_links + words.answer


def guess_and_check_words(form: Form, n_steps: int, n_guesses: int = 1) -> int:
    """Words of a solution of one part that makes some guesses."""
    words = _words(form)
    return (words.guess + words.line * n_steps) * n_guesses + words.answer


def max_guesses(form: Form, p: int, n_steps: int, word_limit: int) -> int:
    """How many guesses fit into a guess-and-check solution of word_limit words."""
    words = _words(form)
    return min(p, (word_limit - words.answer) // (words.guess + words.line * n_steps))


def guess_and_check_success(form: Form, p: int, n_steps: int, word_limit: int) -> float:
    """Probability that distinct random guesses within the limit find the answer."""
    return max_guesses(form, p, n_steps, word_limit) / p


def work_through(
    form: Form, field: Field, part: Part, strategy: str, start: int
) -> tuple[list[str], int]:
    """Return the worked lines of a part from a start value, and the value they end with."""
    lines, value = [], start
    if strategy == FORWARD:
        for variable, (operation, constant) in enumerate(part.steps, start=part.first + 1):
            result = field.apply(operation, value, constant)
            line = render_worked_line(field, variable, value, operation, constant, result)
            lines.append(form.worked_line(line))
            value = result
    else:
        for offset in range(len(part.steps) - 1, -1, -1):
            operation, constant = part.steps[offset]
            inverse = INVERSE_OPERATION[operation]
            result = field.apply(inverse, value, constant)
            variable = part.first + offset
            line = render_worked_line(field, variable, value, inverse, constant, result)
            lines.append(form.worked_line(line))
            value = result
    return lines, value


def _guess_and_check(
    form: Form, problem: Problem, part: Part, strategy: str, rng: Random, word_limit: int
) -> list[str]:
    """Guesses in an order drawn uniformly from those that succeed within the limit."""
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

    rng orders the guesses where the strategy does not fit the problem's type.
    Raises ValueError if not even one guess fits into word_limit words.
    """
    (part,) = problem.parts
    if strategy == FITTING_STRATEGY[part.type]:
        return write_fitting_solution(form, problem)
    lines = _guess_and_check(form, problem, part, strategy, rng, word_limit)
    return "\n".join([*lines, form.answer(problem.field.names[problem.answer])])


def write_fitting_solution(form: Form, problem: Problem) -> str:
    """Write a correct response in which every part is solved by its fitting strategy.

    A link carries the answer of a part over to the next.
    """
    field, value, lines = problem.field, problem.known, []
    for index, part in enumerate(problem.parts):
        strategy = FITTING_STRATEGY[part.type]
        if index or form.opens:
            name = field.names[value]
            lines.append(form.link(part.known_variable, name, strategy == FORWARD))
        worked, value = work_through(form, field, part, strategy, value)
        lines += worked
    return "\n".join([*lines, form.answer(field.names[value])])
