"""The lines of a response, and their marks."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.report.response_lines import (
    AFTER,
    MISTAKE_NAMES,
    NO_ANSWER,
    NO_MARK,
    NOT_JUDGED,
    RIGHT_ANSWER,
    SOUND,
    mark_lines,
)
from workflow_scripts.task.label import Label, label
from workflow_scripts.task.problems import PROBLEM_TYPES, Part, Problem, draw_problem
from workflow_scripts.task.reward import is_correct
from workflow_scripts.task.solutions import STRATEGIES, write_solution
from workflow_scripts.task.text import COMPACT, FORMS, parse_worked_lines

# x3 = x2 + e1, x4 = x3 * e2, in GF(5); x2 is known. The right lines are found by the task itself.
PROBLEM = Problem(5, 1, (Part("evaluation", 2, (("+", 1), ("*", 2))),))
RIGHT = write_solution(COMPACT, PROBLEM, "forward", Random(0), 81).split("\n")
FIRST, SECOND, ANSWER = RIGHT


def marks(response: str, complete: bool = True) -> list[str]:
    labelled = label(PROBLEM, response, complete)
    lines = mark_lines(response, labelled, complete and is_correct(PROBLEM, response))
    return [line.mark for line in lines]


def with_result(line: str) -> str:
    """The line with another result."""
    element = line.split()[-1]
    return line.removesuffix(element) + ("e0" if element != "e0" else "e1")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (RIGHT, [SOUND, SOUND, RIGHT_ANSWER]),
        ([with_result(FIRST), SECOND, ANSWER], ["wrong arithmetic", AFTER, RIGHT_ANSWER]),
        ([SECOND, ANSWER], ["wrong look-up", RIGHT_ANSWER]),
        ([FIRST, SECOND, SECOND, ANSWER], [SOUND, SOUND, "one line too many", RIGHT_ANSWER]),
        ([FIRST, with_result(ANSWER)], [SOUND, "stopped early"]),
        ([FIRST, SECOND, with_result(ANSWER)], [SOUND, SOUND, "wrong answer"]),
        ([FIRST, SECOND], [SOUND, SOUND, NO_ANSWER]),
        ([FIRST, "x4 = e", SECOND, ANSWER], [SOUND, NO_MARK, SOUND, RIGHT_ANSWER]),
        (["try e2", FIRST, "e1 no", ANSWER], [NO_MARK, NOT_JUDGED, NO_MARK, RIGHT_ANSWER]),
        ([], [NO_ANSWER]),
    ],
)
def test_each_line_is_marked_by_the_label(lines, expected):
    assert marks(" ".join(lines)) == expected
    assert marks("\n".join(lines)) == expected


def test_a_response_that_was_cut_off_says_so_at_its_end():
    assert marks(FIRST, complete=False) == [SOUND, "cut off"]


def test_a_wrong_operand_is_told():
    other = FIRST.split()
    other[2] = "e0" if other[2] != "e0" else "e2"
    assert marks(" ".join(other))[0] == "wrong operand"


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.randoms(use_true_random=False), st.sampled_from(sorted(FORMS)))
def test_no_word_is_lost_and_the_first_mistake_is_where_the_label_has_it(rng, form_name):
    form = FORMS[form_name]
    problem = draw_problem(rng, 11, rng.choice(PROBLEM_TYPES), rng.randrange(1, 6), 18)
    text = write_solution(form, problem, rng.choice([*STRATEGIES]), rng, 300)
    words = text.split()
    words[rng.randrange(len(words))] = rng.choice(["e3", "x1", "ans", "try", "Then", "I", "="])
    separator = rng.choice([" ", "\n"])
    response = separator.join(words) if rng.random() < 0.5 else text
    labelled: Label = label(problem, response, True)
    lines = mark_lines(response, labelled, is_correct(problem, response))
    assert " ".join(line.text for line in lines if line.text).split() == response.split()
    worked = [line for line in lines if parse_worked_lines(line.text)]
    assert len(worked) == len(parse_worked_lines(response))
    wrong = [n for n, line in enumerate(worked, 1) if line.mark in MISTAKE_NAMES.values()]
    is_in_a_line = labelled.fits and 0 < labelled.wrong_line <= len(worked)
    assert wrong == ([labelled.wrong_line] if is_in_a_line else [])
