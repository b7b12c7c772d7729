"""A response line by line, each line marked as sound, wrong or not judged, for people to read.

A response that fits is marked by its label (see task.label). The label of a guess-and-check
response says nothing of its lines: they are compared with those that a faultless writer writes
after the same guesses. Problems have one part, and texts are in the compact form.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, groupby

from workflow_scripts.report.response_lines import AFTER, OTHER, SOUND, mark_worked, split_lines
from workflow_scripts.task.label import CUT_OFF, GUESS_AND_CHECK, NO_MISTAKE, NONE, Label, label
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.task.solutions import STRATEGIES, work_through
from workflow_scripts.task.text import ANSWER, COMPACT, GUESS, parse_worked_lines

_ALL_SOUND = "all lines sound"


class Mark(StrEnum):
    """What is known of a line."""

    SOUND = "✓"
    """The line and all lines before it are right."""
    FAULT = "✗"
    """The first wrong line."""
    OPEN = " "
    """Not judged: after the first wrong line, cut short, or in a response that is not judged."""


# What the label says of a line. All else that it says are mistakes.
_MARKS = {SOUND: Mark.SOUND, AFTER: Mark.OPEN}


@dataclass(frozen=True)
class Line:
    """A line of a response."""

    text: str
    mark: Mark

    @property
    def is_guess(self) -> bool:
        """Whether the line states a guess."""
        return self.text.startswith(f"{GUESS} ")

    @property
    def is_answer(self) -> bool:
        """Whether the line states the answer."""
        return self.text.startswith(f"{ANSWER} ")


@dataclass(frozen=True)
class Annotated:
    """A response with its marks. fault says in words where it goes wrong."""

    lines: tuple[Line, ...]
    strategy: str
    fault: str
    is_right: bool

    @property
    def outcome(self) -> str:
        """What became of the answer, in words."""
        has_answer = any(line.is_answer for line in self.lines)
        return "right answer" if self.is_right else "wrong answer" if has_answer else "no answer"


def _mark_by_label(texts: list[str], labelled: Label) -> list[Line]:
    """Mark a response that fits. An answer counts as the line after the last worked line."""
    lines, place = [], 0
    for text in texts:
        line = Line(text, Mark.OPEN)
        if parse_worked_lines(text) or line.is_answer:  # the labeller skips all others
            place += 1
            line = Line(text, _MARKS.get(mark_worked(place, labelled), Mark.FAULT))
        lines.append(line)
    return lines


def _write_round(problem: Problem, strategy: str, guess: str) -> list[str]:
    """What a faultless writer writes from a guess on; nothing if the guess is no element."""
    names, (part,) = problem.field.names, problem.parts
    if guess not in names:
        return []
    value = names.index(guess)
    worked, _ = work_through(COMPACT, problem.field, part, strategy, value)
    agrees = value == problem.answer
    check = COMPACT.check(names[problem.known], agrees)
    answer = [COMPACT.answer(guess)] if agrees else []
    return [COMPACT.guess(part.asked_variable, guess), *worked, check, *answer]


def _count_sound(problem: Problem, strategy: str, texts: list[str]) -> int:
    """The number of lines before the first that a faultless writer would not have written."""
    n = 0
    while n < len(texts) and texts[n].startswith(f"{GUESS} "):
        for right in _write_round(problem, strategy, texts[n].split()[1]) or [""]:
            if n == len(texts) or texts[n] != right:
                return n
            n += 1
    return n


def annotate(problem: Problem, response: str, complete: bool) -> Annotated:
    """Mark the lines of a response. complete says whether the model ended it (see task.label)."""
    labelled, split = label(problem, response, complete), split_lines(response)
    texts = [line.text for line in split]
    lines, fault = [Line(text, Mark.OPEN) for text in texts], "lines not judged"
    if labelled.fits:
        lines, fault = _mark_by_label(texts, labelled), f"line {labelled.wrong_line}: "
        fault = {NO_MISTAKE: _ALL_SOUND, CUT_OFF: CUT_OFF}.get(
            labelled.mistake, fault + labelled.mistake
        )
    elif labelled.mode == GUESS_AND_CHECK and labelled.direction in STRATEGIES:
        is_cut = not complete and split[-1].kind == OTHER
        whole = texts[:-1] if is_cut else texts
        n = _count_sound(problem, labelled.direction, whole)
        marks = [Mark.SOUND] * n + [Mark.FAULT] * (n < len(whole)) + [Mark.OPEN] * len(texts)
        lines = [Line(text, mark) for text, mark in zip(texts, marks, strict=False)]
        fault = "a line is wrong" if n < len(whole) else _ALL_SOUND if complete else CUT_OFF
    mode = "guess & check" if labelled.mode == GUESS_AND_CHECK else labelled.mode
    strategy = "no strategy" if labelled.mode == NONE else f"{labelled.direction}, {mode}"
    is_right = outcome_reward(problem, response, complete) == 1
    return Annotated(tuple(lines), strategy, fault, is_right)


def _shorten(text: str) -> str:
    """A worked line as its variable and its result; any other line as it is."""
    worked = parse_worked_lines(text)
    return f"x{worked[0].variable} = {worked[0].result}" if worked else text


def abridge(lines: Iterable[Line]) -> list[Line]:
    """The lines, but each guess after the first in one line, marked as the worst of its lines."""
    lines = list(lines)
    counts = accumulate(line.is_guess for line in lines)
    short: list[Line] = []
    for guesses, numbered in groupby(zip(counts, lines, strict=True), key=lambda each: each[0]):
        of_guess = [line for _, line in numbered]
        tried = [line for line in of_guess if not line.is_answer]
        if guesses < 2 or len(tried) == 1:
            short += of_guess
            continue
        mark = max((line.mark for line in tried), key=(Mark.SOUND, Mark.OPEN, Mark.FAULT).index)
        text = f"{tried[0].text} … {_shorten(tried[-1].text)}"
        short += [Line(text, mark), *of_guess[len(tried) :]]
    return short
