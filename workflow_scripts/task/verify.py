"""The reward: is the answer right? Only the outcome counts, never the way to it."""

from workflow_scripts.task.problems import Problem
from workflow_scripts.task.text import ANSWER


def is_correct(problem: Problem, response: str) -> bool:
    """True if the response ends with ``ans`` and the right element, and says ``ans`` once."""
    words = response.split()
    return words[-2:] == [ANSWER, problem.field.names[problem.answer]] and words.count(ANSWER) == 1


def outcome_reward(problem: Problem, response: str, complete: bool) -> float:
    """1 for a complete response with the right answer, else 0.

    A response is complete if the model ended it; one cut off at the token limit earns nothing,
    even where what is left of it looks like an answer.
    """
    return float(complete and is_correct(problem, response))
