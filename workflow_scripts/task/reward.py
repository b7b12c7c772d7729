"""The reward: is the answer right? Only the outcome counts, never the way to it."""

from workflow_scripts.task.problems import Problem
from workflow_scripts.task.text import ANSWER_MARKS


def is_correct(problem: Problem, response: str) -> bool:
    """True if the response ends with the right element after the mark of an answer, its only one.

    The mark is ``ans`` or ``Answer:``, by the form of the text.
    """
    words = response.split()
    marks = [word for word in words if word in ANSWER_MARKS]
    return len(marks) == 1 and words[-2:] == [*marks, problem.field.names[problem.answer]]


def outcome_reward(problem: Problem, response: str, complete: bool) -> float:
    """1 for a complete response with the right answer, else 0.

    A response is complete if the model ended it; one cut off at the token limit earns nothing,
    even where what is left of it looks like an answer.
    """
    return float(complete and is_correct(problem, response))
