"""The rule-based strategy label of a response, computed from the text and the problem alone."""

from workflow_scripts.task.field import INVERSE_OPERATION
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.solutions import BACKWARD, FORWARD
from workflow_scripts.task.text import parse_worked_lines

MIXED, NONE = "mixed", "none"
LABELS = (FORWARD, BACKWARD, MIXED, NONE)


def classify(problem: Problem, response: str) -> str:
    """Label any text: forward, backward, mixed (lines of both kinds) or none (of neither kind).

    A worked line is a written calculation such as ``x3 = e5 + e4 = e9``. The line is forward if its
    operation and constant are those of the program line that defines its variable. The line is
    backward if it undoes the program line that uses its variable. Results are not checked: a wrong
    sum is still a forward step. A response that guesses a value and checks the guess gets the label
    of its worked lines.
    """
    names = problem.field.names
    forward_steps, backward_steps = set(), set()
    for part in problem.parts:
        for variable, (operation, constant) in enumerate(part.steps, start=part.first):
            forward_steps.add((variable + 1, operation, names[constant]))
            backward_steps.add((variable, INVERSE_OPERATION[operation], names[constant]))
    steps = {
        (line.variable, line.operation, line.constant) for line in parse_worked_lines(response)
    }
    is_forward = not steps.isdisjoint(forward_steps)
    is_backward = not steps.isdisjoint(backward_steps)
    if is_forward:
        return MIXED if is_backward else FORWARD
    return BACKWARD if is_backward else NONE
