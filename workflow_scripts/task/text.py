"""The text of prompts and responses, in two forms.

Any white space separates words; line breaks are only for human readers. A prompt is a program, the
known value and the question. A response is worked lines (written calculations) and the answer. The
compact form has as few words as possible, for models trained from scratch. Left a prompt, right a
response:

    x3 = x2 + e4                x3 = e5 + e4 = e9
    x4 = x3 * e7                x4 = e9 * e7 = e2
    x2 = e5 ; x4 ?              ans e2

The natural form, for instruction-tuned models, puts English sentences around the same lines:

    ...                         From x2 = e5, I apply the steps.
    x3 = x2 + e4                Then x3 = e5 + e4 = e9
    x4 = x3 * e7                Then x4 = e9 * e7 = e2
    It is known that ...        Answer: e2

Both forms write worked lines alike and end with an answer mark and the answer. Strategy labels and
rewards are therefore computed without knowing the form.
"""

import re
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import NamedTuple

from workflow_scripts.task.field import Field
from workflow_scripts.task.problems import Part, Problem

ANSWER, GUESS, WRONG, RIGHT = "ans", "try", "no", "ok"
FIELD_MAP = "map"
NATURAL_ANSWER = "Answer:"
ANSWER_MARKS = (ANSWER, NATURAL_ANSWER)

# An assigned variable (``x3 =``) is one word, and an operation with its constant (``+ e4``) is one
# word. A program line then has 3 words, a worked line 5, and a model copies a step of the program
# by copying one word.
WORD = r"x[0-9]+ =|[-+*/] e[0-9]+|\S+"
_LINE = re.compile(
    r"(?<!\S)x([0-9]{1,4})\s+=\s+(e[0-9]{1,4})\s+([-+*/])\s+(e[0-9]{1,4})\s+=\s+(e[0-9]{1,4})(?!\S)"
)
# The guess lines of both forms, see Form.guess.
_GUESS_LINE = re.compile(
    rf"(?<!\S)(?:{GUESS}\s+e[0-9]{{1,4}}"
    r"|I\s+guess\s+that\s+x[0-9]{1,4}\s+=\s+e[0-9]{1,4}\.)(?!\S)"
)


class WorkedLine(NamedTuple):
    """A line ``x{variable} = operand operation constant = result``; elements are symbols."""

    variable: int
    operand: str
    operation: str
    constant: str
    result: str

    @property
    def step(self) -> tuple[int, str, str]:
        """What the line does, whatever its values: its variable, operation and constant."""
        return self.variable, self.operation, self.constant


def count_words(text: str) -> int:
    """The number of words in a text. The pattern WORD defines a word."""
    return len(re.findall(WORD, text))


def render_program(field: Field, part: Part) -> list[str]:
    """The program lines of a part, such as ``x3 = x2 + e4``."""
    return [
        f"x{variable + 1} = x{variable} {operation} {field.names[constant]}"
        for variable, (operation, constant) in enumerate(part.steps, start=part.first)
    ]


def render_worked_line(
    field: Field, variable: int, operand: int, operation: str, constant: int, result: int
) -> str:
    """The line ``x{variable} = operand operation constant = result``, from elements as integers."""
    names = field.names
    return f"x{variable} = {names[operand]} {operation} {names[constant]} = {names[result]}"


def parse_worked_lines(response: str) -> list[WorkedLine]:
    """All well-formed worked lines in a text, in order. Malformed lines are skipped."""
    return [WorkedLine(int(variable), *rest) for variable, *rest in _LINE.findall(response)]


def contains_guess(response: str) -> bool:
    """Whether a text has a well-formed guess line, of either form."""
    return _GUESS_LINE.search(response) is not None


def _handed_on(problem: Problem) -> list[str]:
    """Clauses such as ``x7 = x4``: a part's known variable equals the previous asked variable."""
    everything = problem.parts + problem.unasked
    return [
        f"x{part.known_variable} = x{previous.asked_variable}"
        for previous, part in pairwise(everything)
    ]


def _program_lines(problem: Problem) -> list[str]:
    """The program lines of all parts that the prompt shows, asked or not."""
    parts = problem.parts + problem.unasked
    return [line for part in parts for line in render_program(problem.field, part)]


class Form(ABC):
    """A text form: the words around program lines and worked lines. Values are given as symbols."""

    opens: bool  # whether a link line also comes before the first part
    tokens_per_word: int  # upper bound, for the check that rl.max_new_tokens is large enough

    @abstractmethod
    def prompt(self, problem: Problem, show_field_map: bool) -> str:
        """The prompt, ending with a line break.

        With show_field_map, the prompt also states the element that each symbol names.
        """

    @abstractmethod
    def link(self, variable: int, value: str, verb: str) -> str:
        """The line that states the value of a part's known variable before the part is solved.

        verb says what is then done with the part's steps: apply or undo.
        """

    @abstractmethod
    def worked_line(self, line: str) -> str:
        """A worked line, with the words that this form puts around it."""

    @abstractmethod
    def guess(self, variable: int, value: str) -> str:
        """The line that states a guessed value of the asked variable."""

    @abstractmethod
    def check(self, value: str, agrees: bool) -> str:
        """The line that checks a guess: value is the known value, agrees if the guess led to it.

        The line repeats the known value because a small model compares only adjacent values.
        """

    @abstractmethod
    def opening(self, solution: str) -> str:
        """The beginning of a written solution, which shows its direction and mode.

        The opening of a solution that works the problem directly differs from that of every
        solution that guesses, or that works in the other direction.
        """

    @abstractmethod
    def answer(self, value: str) -> str:
        """The last line: an answer mark and the value of the answer."""


class Compact(Form):
    """The form with the fewest words, short enough for a small model trained from scratch."""

    opens = False
    tokens_per_word = 1  # small models have a word-level tokenizer, see model.tokenizer

    def prompt(self, problem: Problem, show_field_map: bool) -> str:
        """The field map (if show_field_map), the program, the known values and the question."""
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

    def link(self, variable: int, value: str, verb: str) -> str:
        """``x4 = e9``, for all directions."""
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

    def opening(self, solution: str) -> str:
        """The first word: ``x3 =``. A guess begins with ``try``."""
        word = re.match(WORD, solution)
        assert word is not None, "a solution begins with a word"
        return word.group()

    def answer(self, value: str) -> str:
        """``ans e2``."""
        return f"{ANSWER} {value}"


class Natural(Form):
    """The form in English sentences.

    A sentence has the same number of words for all strategies, and for a right and a wrong guess.
    """

    opens = True
    # Pre-trained tokenizers split `x12 =` and `+ e10` into letters, single digits and signs.
    tokens_per_word = 3

    def prompt(self, problem: Problem, show_field_map: bool) -> str:
        """The program lines, known values and question of the compact form, in sentences."""
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

    def link(self, variable: int, value: str, verb: str) -> str:
        """A sentence that introduces a part of the solution: its start value and its direction."""
        return f"From x{variable} = {value}, I {verb} the steps."

    def worked_line(self, line: str) -> str:
        """The line, preceded by the word "Then"."""
        return f"Then {line}"

    def guess(self, variable: int, value: str) -> str:
        """A sentence with the guessed value."""
        return f"I guess that x{variable} = {value}."

    def check(self, value: str, agrees: bool) -> str:
        """A sentence with the known value and whether the guess was right."""
        return f"It should be {value}: {'right' if agrees else 'wrong'} guess."

    def opening(self, solution: str) -> str:
        """The first line: ``From x2 = e5, I apply the steps.``."""
        return solution.partition("\n")[0]

    def answer(self, value: str) -> str:
        """``Answer: e2``."""
        return f"{NATURAL_ANSWER} {value}"


COMPACT, NATURAL = Compact(), Natural()
FORMS: dict[str, Form] = {"compact": COMPACT, "natural": NATURAL}
