"""The rule-based strategy label of a response, read from its text and its problem alone."""

from workflow_scripts.task.field import INVERSE_OPERATION
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.solutions import BACKWARD, FORWARD
from workflow_scripts.task.text import parse_worked_lines

MIXED, NONE = "mixed", "none"
LABELS = (FORWARD, BACKWARD, MIXED, NONE)


def classify(problem: Problem, response: str) -> str:
    """Label any text: forward, backward, mixed (lines of both) or none (lines of neither).

    A worked line is forward if it assigns a variable by the operation and constant of the program
    line that defines it, and backward if it undoes the program line that uses it. Results are not
    checked: a wrong sum is still a forward step. Guess and check has the strategy of its lines.
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
