"""Labels of a response: its direction, its mode, whether it fits, and its first mistake.

Everything is computed from the text and the problem alone, for both text forms.
"""

from functools import lru_cache
from itertools import product
from typing import NamedTuple

from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import is_correct
from workflow_scripts.task.solutions import FITTING, STRATEGIES, write_direct_solution
from workflow_scripts.task.text import COMPACT, WorkedLine, contains_guess, parse_worked_lines

NONE = "none"
MIXED = "mixed"
DIRECTIONS = (*STRATEGIES, MIXED, NONE)
DIRECT, GUESS_AND_CHECK = "direct", "guess"
MODES = (DIRECT, GUESS_AND_CHECK, NONE)

LOOKUP, OPERAND, ARITHMETIC = "lookup", "operand", "arithmetic"
TOO_MANY_LINES, STOPPED_EARLY = "too many lines", "stopped early"
WRONG_ANSWER, CUT_OFF = "answer", "cut off"
MISTAKES = (LOOKUP, OPERAND, ARITHMETIC, TOO_MANY_LINES, STOPPED_EARLY, WRONG_ANSWER, CUT_OFF)
NO_MISTAKE, NOT_JUDGED = "none", ""

_Step = tuple[int, str, str]  # see WorkedLine.step


class Label(NamedTuple):
    """What a response does. A worked line is a written calculation such as ``x3 = e5 + e4 = e9``.

    direction: "forward" if a worked line applies a step of an asked part, "backward" if one undoes
    a step, "mixed" if there are lines of both kinds, "none" if there are none. A line applies a
    step if its variable, operation and constant are those of the program line. A line undoes a step
    if it has the variable that the program line uses, the inverse operation and the same constant.
    Operands and results are not checked: a wrong sum is still a forward step. In general, a line
    shows a strategy if its walk (see task.solutions) has the line's step and no other walk has it.

    mode: "guess" (guess and check) if the response contains a guess line, else "direct" if it has
    worked lines, else "none".

    fits: whether the response works directly, and only in the fitting direction: forward in
    evaluation parts, backward in inversion parts. It has no guess line, at least one line in the
    fitting direction of its part, and no line in the other direction of its part. So a response
    that fits a composition of both types has the direction "mixed". Lines that do no step of an
    asked part, such as lines of a part that the question does not ask for, do not decide about
    fits. They are mistakes.

    mistake: the kind of the first mistake of a response that fits, compared line by line with the
    solution that `write_direct_solution` writes by its strategies. Malformed lines are skipped, so
    they count as missing. The kinds, in the order in which they are looked for:

    - "lookup": the line's variable, operation or constant is not that of the next step;
    - "operand": the line does the next step on another value than the previous result, or in the
      first line on another value than the known one;
    - "arithmetic": only the result of the line is wrong;
    - "too many lines": all needed lines are right, then comes another worked line;
    - "cut off": the response hit the token limit, and all lines so far are right;
    - "stopped early": the response ends before all needed lines, and all lines so far are right;
    - "answer": all lines are right, but the answer line is missing, malformed or wrong;
    - "none": no mistake. Such a response is called verified, and its reward is 1.

    A response that does not fit is not judged: its mistake is "".

    wrong_line: the number of right lines before the mistake, plus 1. This is the index (from 1) of
    the wrong line, or of the line that should have come next. It is 0 if the mistake is "none" or
    "".
    """

    direction: str
    mode: str
    fits: bool
    wrong_line: int
    mistake: str


class _Solution(NamedTuple):
    """A solution that fits: its lines, their steps, and all other steps of any strategy."""

    lines: tuple[WorkedLine, ...]
    steps: frozenset[_Step]
    others: frozenset[_Step]


class _Known(NamedTuple):
    """What is known of a problem: the steps that show a strategy, and the solutions that fit."""

    shown_by: dict[str, frozenset[_Step]]
    solutions: tuple[_Solution, ...]


@lru_cache(maxsize=4096)  # there are many responses to one problem
def _known_of(problem: Problem) -> _Known:
    taken = {name: _steps_of(problem, name) for name in STRATEGIES}
    everything = frozenset().union(*taken.values())
    shown_by = {
        name: mine.difference(*(steps for other, steps in taken.items() if other != name))
        for name, mine in taken.items()
    }
    solutions = []
    for strategies in product(*(FITTING[part.type] for part in problem.parts)):
        # Worked lines are the same in both forms.
        lines = parse_worked_lines(write_direct_solution(COMPACT, problem, strategies))
        steps = frozenset(line.step for line in lines)
        solutions.append(_Solution(tuple(lines), steps, everything - steps))
    return _Known(shown_by, tuple(solutions))


def _steps_of(problem: Problem, strategy: str) -> frozenset[_Step]:
    """All steps that a strategy takes in the asked parts."""
    field, walk = problem.field, STRATEGIES[strategy].walk
    return frozenset(
        (variable, operation, field.names[constant])
        for part in problem.parts
        for variable, operation, constant in walk(field, part)
    )


def _direction(known: _Known, steps: set[_Step]) -> str:
    shown = [name for name, mine in known.shown_by.items() if not steps.isdisjoint(mine)]
    return MIXED if len(shown) > 1 else shown[0] if shown else NONE


def _compare(lines: list[WorkedLine], solution: tuple[WorkedLine, ...]) -> tuple[int, str]:
    """Return wrong_line and mistake of the first wrong line; (0, NO_MISTAKE) if there is none.

    Lines that are missing at the end are not wrong.
    """
    for index, (line, right) in enumerate(zip(lines, solution, strict=False), start=1):
        if line.step != right.step:
            return index, LOOKUP
        if line.operand != right.operand:
            return index, OPERAND
        if line.result != right.result:
            return index, ARITHMETIC
    if len(lines) > len(solution):
        return len(solution) + 1, TOO_MANY_LINES
    return 0, NO_MISTAKE


def label(problem: Problem, response: str, complete: bool) -> Label:
    """Label any text. A response is complete if the model ended it with the end token."""
    known, lines = _known_of(problem), parse_worked_lines(response)
    steps = {line.step for line in lines}
    direction, guesses = _direction(known, steps), contains_guess(response)
    mode = GUESS_AND_CHECK if guesses else DIRECT if lines else NONE
    fitting = (
        each
        for each in known.solutions
        if not steps.isdisjoint(each.steps) and steps.isdisjoint(each.others)
    )
    solution = None if guesses else next(fitting, None)
    if solution is None:
        return Label(direction, mode, False, 0, NOT_JUDGED)
    wrong_line, mistake = _compare(lines, solution.lines)
    if not wrong_line:
        if not complete:
            mistake = CUT_OFF
        elif len(lines) < len(solution.lines):
            mistake = STOPPED_EARLY
        elif not is_correct(problem, response):
            mistake = WRONG_ANSWER
        wrong_line = 0 if mistake == NO_MISTAKE else len(lines) + 1
    return Label(direction, mode, True, wrong_line, mistake)
