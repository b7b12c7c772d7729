"""The text of prompts and responses. Any white space separates words; new lines are for the reader.

A prompt is a program, the known value and the question; a response is worked lines and the answer.
The compact form is for models that know nothing else, and has the fewest words:

    x3 = x2 + e4                x3 = e5 + e4 = e9
    x4 = x3 * e7                x4 = e9 * e7 = e2
    x2 = e5 ; x4 ?              ans e2

The natural form, for instruction models, puts sentences around the same lines:

    ...                         From x2 = e5, I apply the steps.
    x3 = x2 + e4                Then x3 = e5 + e4 = e9
    x4 = x3 * e7                Then x4 = e9 * e7 = e2
    It is known that ...        Answer: e2

Worked lines and the place of the answer are the same in both, so labels and rewards need not be
told which form a response has.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise

from workflow_scripts.task.field import Field
from workflow_scripts.task.problems import Part, Problem

ANSWER, GUESS, WRONG, RIGHT = "ans", "try", "no", "ok"
FIELD_MAP = "map"
NATURAL_ANSWER = "Answer:"
ANSWER_MARKS = (ANSWER, NATURAL_ANSWER)

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
    """How many words a text has, by the pattern WORD."""
    return len(re.findall(WORD, text))


def render_program(field: Field, part: Part) -> list[str]:
    """The program lines of a part, ``x3 = x2 + e4``."""
    return [
        f"x{variable + 1} = x{variable} {operation} {field.names[constant]}"
        for variable, (operation, constant) in enumerate(part.steps, start=part.first)
    ]


def render_worked_line(
    field: Field, variable: int, operand: int, operation: str, constant: int, result: int
) -> str:
    """The line ``x{variable} = operand operation constant = result``; values are elements."""
    names = field.names
    return f"x{variable} = {names[operand]} {operation} {names[constant]} = {names[result]}"


def parse_worked_lines(response: str) -> list[WorkedLine]:
    """All well-formed worked lines of any text, in order; what is malformed is passed over."""
    return [WorkedLine(int(variable), *rest) for variable, *rest in _LINE.findall(response)]


def _handed_on(problem: Problem) -> list[str]:
    """The clauses ``x7 = x4`` by which the parts of a prompt go on from each other."""
    everything = problem.parts + problem.unasked
    return [
        f"x{part.known_variable} = x{previous.asked_variable}"
        for previous, part in pairwise(everything)
    ]


def _program_lines(problem: Problem) -> list[str]:
    parts = problem.parts + problem.unasked
    return [line for part in parts for line in render_program(problem.field, part)]


class Form(ABC):
    """The words around program lines and worked lines. Values are given as symbols."""

    opens: bool  # whether a link stands before the first part as well
    tokens_per_word: int  # at most, see rl.max_new_tokens

    @abstractmethod
    def prompt(self, problem: Problem, show_field_map: bool) -> str:
        """The prompt, ending with a new line.

        With show_field_map it states which symbol stands for which element.
        """

    @abstractmethod
    def link(self, variable: int, value: str, forward: bool) -> str:
        """The line that hands a value to a part, which is then worked through forward or not."""

    @abstractmethod
    def worked_line(self, line: str) -> str:
        """A worked line among the others."""

    @abstractmethod
    def guess(self, variable: int, value: str) -> str:
        """The line that assumes a value of the variable that is asked for."""

    @abstractmethod
    def check(self, value: str, agrees: bool) -> str:
        """The verdict on a guess: the known value, and whether the guess led to it.

        The known value is repeated because a small model only compares what stands side by side.
        """

    @abstractmethod
    def answer(self, value: str) -> str:
        """The last line, with the value that is asked for."""


class Compact(Form):
    """The form with the fewest words, short enough for a model of the offline tiers to learn."""

    opens = False
    tokens_per_word = 1  # of the word-level tokenizer of the offline tiers

    def prompt(self, problem: Problem, show_field_map: bool) -> str:
        """The field map if asked for, the program lines, then the known values and the question."""
        names = problem.field.names
        lines = []
        if show_field_map:
            elements = (f"{value} = {name}" for value, name in enumerate(names))
            lines.append(" ".join([FIELD_MAP, *elements]))
        lines += _program_lines(problem)
        known = f"x{problem.parts[0].known_variable} = {names[problem.known]}"
        asked = f"x{problem.parts[-1].asked_variable} ?"
        lines.append(" ; ".join([known, *_handed_on(problem), asked]))
        return "\n".join(lines) + "\n"

    def link(self, variable: int, value: str, forward: bool) -> str:
        """``x4 = e9``, for both directions."""
        return f"x{variable} = {value}"

    def worked_line(self, line: str) -> str:
        """The line itself."""
        return line

    def guess(self, variable: int, value: str) -> str:
        """``try e3``."""
        return f"{GUESS} {value}"

    def check(self, value: str, agrees: bool) -> str:
        """``e7 ok`` or ``e7 no``."""
        return f"{value} {RIGHT if agrees else WRONG}"

    def answer(self, value: str) -> str:
        """``ans e2``."""
        return f"{ANSWER} {value}"


class Natural(Form):
    """The form in sentences, which are equally long whatever the strategy and the verdict."""

    opens = True
    # Tokenizers of language models split `x12 =` and `+ e10` into letters, single digits and signs.
    tokens_per_word = 3

    def prompt(self, problem: Problem, show_field_map: bool) -> str:
        """Sentences around the same program lines, known values and question."""
        names, p = problem.field.names, problem.p
        lines = [f"We compute in the field with {p} elements, the integers modulo {p}."]
        if show_field_map:
            elements = ", ".join(f"{name} is {value}" for value, name in enumerate(names))
            lines.append(f"They are written in symbols: {elements}.")
        else:
            lines.append(f"They are written in symbols from e0 to e{p - 1}, in an unusual order.")
        lines += ["The steps of a program are:", *_program_lines(problem)]
        known = f"x{problem.parts[0].known_variable} = {names[problem.known]}"
        facts = " and ".join([known, *_handed_on(problem)])
        lines.append(f"It is known that {facts}. What is x{problem.parts[-1].asked_variable}?")
        lines.append(
            "Write down every calculation. "
            f'The last line must be "{NATURAL_ANSWER}" and the symbol of the result.'
        )
        return "\n".join(lines) + "\n"

    def link(self, variable: int, value: str, forward: bool) -> str:
        """A sentence that says from where the part is solved, and in which direction."""
        return f"From x{variable} = {value}, I {'apply' if forward else 'undo'} the steps."

    def worked_line(self, line: str) -> str:
        """The line after the word "Then"."""
        return f"Then {line}"

    def guess(self, variable: int, value: str) -> str:
        """A sentence with the guessed value."""
        return f"I guess that x{variable} = {value}."

    def check(self, value: str, agrees: bool) -> str:
        """A sentence with the known value and the verdict."""
        return f"It should be {value}: {'right' if agrees else 'wrong'} guess."

    def answer(self, value: str) -> str:
        """``Answer: e2``."""
        return f"{NATURAL_ANSWER} {value}"


COMPACT, NATURAL = Compact(), Natural()
FORMS: dict[str, Form] = {"compact": COMPACT, "natural": NATURAL}
