"""The outcome reward: 1 for a correct final answer, else 0. The lines before it do not count."""

from workflow_scripts.task.problems import Problem
from workflow_scripts.task.text import ANSWER_MARKS


def is_correct(problem: Problem, response: str) -> bool:
    """Whether the response ends with an answer mark and the symbol of the correct answer.

    The mark is ``ans`` or ``Answer:``. A response with several marks is not correct.
    """
    words = response.split()
    marks = [word for word in words if word in ANSWER_MARKS]
    return len(marks) == 1 and words[-2:] == [*marks, problem.field.names[problem.answer]]


def outcome_reward(problem: Problem, response: str, complete: bool) -> float:
    """The reward of a response: 1.0 if it is complete and its answer is correct, else 0.0.

    A response is complete if the model ended the response with the end token. A response cut off at
    the token limit gets 0.0, even if its text happens to end with the correct answer.
    """
    return float(complete and is_correct(problem, response))
