"""The lines of a response, each marked by the response's label: sound, wrong, or after the mistake.

White space does not show where a line ends, since models trained from scratch write no line breaks.
So worked lines, guess lines and answers are found as `task.label` and `task.reward` read them, and
the words between them are lines of their own.
"""

import re
from typing import NamedTuple

from workflow_scripts.task.label import (
    ARITHMETIC,
    CUT_OFF,
    LOOKUP,
    NO_MISTAKE,
    OPERAND,
    STOPPED_EARLY,
    TOO_MANY_LINES,
    WRONG_ANSWER,
    Label,
)
from workflow_scripts.task.text import (
    ANSWER_MARKS,
    GUESS,
    NATURAL,
    RIGHT,
    WRONG,
    contains_guess,
    parse_worked_lines,
)

NO_MARK, SOUND, AFTER, NOT_JUDGED = "", "sound", "after the mistake", "not judged"
RIGHT_ANSWER, NO_ANSWER = "right answer", "no answer"
# What readers see for the kinds of mistakes, which task.label.Label defines.
MISTAKE_NAMES = {
    LOOKUP: "wrong look-up",
    OPERAND: "wrong operand",
    ARITHMETIC: "wrong arithmetic",
    TOO_MANY_LINES: "one line too many",
    STOPPED_EARLY: "stopped early",
    WRONG_ANSWER: "wrong answer",
    CUT_OFF: "cut off",
}
MARKS = (NO_MARK, SOUND, AFTER, NOT_JUDGED, RIGHT_ANSWER, NO_ANSWER, *MISTAKE_NAMES.values())

# The kinds of lines. A check follows a guess: e7 ok. All words between known lines are "other".
WORKED, GUESSED, CHECK, ANSWERED, OTHER = "worked", "guess", "check", "answer", "other"
_WORKED_WORDS = 7  # x3 = e5 + e4 = e9
_GUESS_WORDS = {GUESS: 2, "I": 6}  # by their first word: try e3; I guess that x3 = e5.
_CHECK = re.compile(rf"e\d+ ({RIGHT}|{WRONG})")
_LEAD = NATURAL.worked_line("").strip()  # the word before a worked line in the natural form


class MarkedLine(NamedTuple):
    """A line of a response, and what its label says about it: one of MARKS."""

    text: str
    mark: str


class Line(NamedTuple):
    """A line of a response and its kind."""

    kind: str
    text: str


def _begins(words: list[str]) -> tuple[str, int]:
    """The kind of the line at the start of words, and its number of words."""
    if parse_worked_lines(" ".join(words[:_WORKED_WORDS])):
        return WORKED, _WORKED_WORDS
    n_words = _GUESS_WORDS.get(words[0], 0)
    if n_words and contains_guess(" ".join(words[:n_words])):
        return GUESSED, n_words
    if _CHECK.fullmatch(" ".join(words[:2])):
        return CHECK, 2
    if words[0] in ANSWER_MARKS and len(words) > 1:
        return ANSWERED, 2
    return OTHER, 1


def split_lines(response: str) -> list[Line]:
    """The lines of a response. Other words end at a line break, and where a known line begins."""
    found = list(re.finditer(r"(\s*)(\S+)", response))
    words = [match.group(2) for match in found]
    lines: list[Line] = []
    others: list[str] = []

    def end_others() -> None:
        if others:
            lines.append(Line(OTHER, " ".join(others)))
            others.clear()

    start = 0
    while start < len(words):
        kind, n_words = _begins(words[start : start + _WORKED_WORDS])
        if kind == OTHER:
            if "\n" in found[start].group(1):
                end_others()
            others.append(words[start])
        else:
            lead = [others.pop()] if kind == WORKED and others[-1:] == [_LEAD] else []
            end_others()
            lines.append(Line(kind, " ".join(lead + words[start : start + n_words])))
        start += n_words
    end_others()
    return lines


def mark_lines(response: str, label: Label, is_right: bool) -> list[MarkedLine]:
    """The lines of a response with its label. is_right says whether its reward is 1.

    Worked lines are judged as the label judges them, so those of a response that does not fit are
    not judged. A response without an answer ends with an empty line, which says so.
    """
    marked, n_worked, has_answer = [], 0, False
    for line in split_lines(response):
        has_answer |= line.kind == ANSWERED
        if line.kind == WORKED:
            n_worked += 1
            mark = mark_worked(n_worked, label)
        elif line.kind == ANSWERED:
            mark = RIGHT_ANSWER if is_right else _mark_end(label, MISTAKE_NAMES[WRONG_ANSWER])
        else:
            mark = NO_MARK
        marked.append(MarkedLine(line.text, mark))
    if not has_answer:
        marked.append(MarkedLine("", _mark_end(label, NO_ANSWER)))
    return marked


def mark_worked(number: int, label: Label) -> str:
    """The mark of a worked line. number counts worked lines from 1."""
    if not label.fits:
        return NOT_JUDGED
    if label.mistake == NO_MISTAKE or number < label.wrong_line:
        return SOUND
    return MISTAKE_NAMES[label.mistake] if number == label.wrong_line else AFTER


def _mark_end(label: Label, otherwise: str) -> str:
    """The mark of the end of a response: the mistake, if there is no wrong worked line."""
    at_the_end = label.mistake in (STOPPED_EARLY, CUT_OFF)
    return MISTAKE_NAMES[label.mistake] if at_the_end else otherwise
