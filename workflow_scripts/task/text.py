"""The text of prompts and responses. Any white space separates words; new lines are for the reader.

A prompt is a program, the known value and the question; a response is worked lines and the answer:

    x3 = x2 + e4                x3 = e5 + e4 = e9
    x4 = x3 * e7                x4 = e9 * e7 = e2
    x2 = e5 ; x4 ?              ans e2
"""

import re
from dataclasses import dataclass

from workflow_scripts.task.field import Field
from workflow_scripts.task.problems import Part, Problem

ANSWER, GUESS, WRONG, RIGHT = "ans", "try", "no", "ok"
FIELD_MAP = "map"

# A variable being assigned is one word, and so is an operation with its constant: a program line
# has 3 words, a worked line 5, and to look a step up in the program is to copy one word.
WORD = r"x[0-9]+ =|[-+*/] e[0-9]+|\S+"
_LINE = re.compile(
    r"(?<!\S)x([0-9]{1,4})\s+=\s+(e[0-9]{1,4})\s+([-+*/])\s+(e[0-9]{1,4})\s+=\s+(e[0-9]{1,4})(?!\S)"
)


@dataclass(frozen=True)
class WorkedLine:
    """``x{variable} = operand operation constant = result``, elements as symbols."""

    variable: int
    operand: str
    operation: str
    constant: str
    result: str


def count_words(text: str) -> int:
    return len(re.findall(WORD, text))


def render_program(field: Field, part: Part) -> list[str]:
    return [
        f"x{variable + 1} = x{variable} {operation} {field.names[constant]}"
        for variable, (operation, constant) in enumerate(part.steps, start=part.first)
    ]


def render_prompt(problem: Problem, show_field_map: bool) -> str:
    """The prompt of a problem, ending with a new line.

    With show_field_map its first line states which symbol stands for which element.
    """
    names = problem.field.names
    lines = []
    if show_field_map:
        lines.append(
            " ".join([FIELD_MAP, *(f"{value} = {name}" for value, name in enumerate(names))])
        )
    everything = problem.parts + problem.unasked
    for part in everything:
        lines += render_program(problem.field, part)
    first, *others = everything
    clauses = [f"x{first.known_variable} = {names[problem.known]}"]
    previous = first
    for part in others:
        clauses.append(f"x{part.known_variable} = x{previous.asked_variable}")
        previous = part
    clauses.append(f"x{problem.parts[-1].asked_variable} ?")
    return "\n".join([*lines, " ; ".join(clauses)]) + "\n"


def render_link(variable: int, value: str) -> str:
    """The line of a composed solution that hands a value, a symbol, to the next part."""
    return f"x{variable} = {value}"


def render_check(value: str, agrees: bool) -> str:
    """The verdict on a guess: the known value, a symbol, and whether the guess led to it.

    The known value is repeated because a small model only compares what stands side by side.
    """
    return f"{value} {RIGHT if agrees else WRONG}"


def render_worked_line(
    field: Field, variable: int, operand: int, operation: str, constant: int, result: int
) -> str:
    names = field.names
    return f"x{variable} = {names[operand]} {operation} {names[constant]} = {names[result]}"


def parse_worked_lines(response: str) -> list[WorkedLine]:
    """All well-formed worked lines of any text, in order; what is malformed is passed over."""
    return [WorkedLine(int(variable), *rest) for variable, *rest in _LINE.findall(response)]
