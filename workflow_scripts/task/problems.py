"""Problems: programs of + and * steps, with one known value and one value to find.

A program assigns consecutive variables, one line per step, such as ``x4 = x3 + c``. A *part* is a
program with a question. An *evaluation* part gives the value of the program's first variable and
asks for the last variable. An *inversion* part gives the value of the last variable and asks for
the first. A problem of several parts is a *composition*: the answer of each part is the known value
of the next part. A prompt may also show further parts that the question does not ask for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

from workflow_scripts.task.field import INVERSE_OPERATION, Field, make_field

EVALUATION, INVERSION, COMPOSITION = "evaluation", "inversion", "composition"
PROBLEM_TYPES = (EVALUATION, INVERSION)

Step = tuple[str, int]  # (operation "+" or "*", constant)
# (p, known value, (type, steps) of each asked part): see Problem.canonical.
Canonical = tuple[int, int, tuple[tuple[str, tuple[Step, ...]], ...]]


@dataclass(frozen=True)
class Part:
    """A program over the variables first .. first + len(steps), and the type of its question."""

    type: str
    first: int
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        """The part as a JSON value. Each step becomes a string such as ``+4``."""
        steps = [f"{operation}{constant}" for operation, constant in self.steps]
        return {"type": self.type, "first": self.first, "steps": steps}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Part":
        """Read a part from the JSON value that Part.to_json returned."""
        steps = tuple((step[0], int(step[1:])) for step in value["steps"])
        return cls(value["type"], value["first"], steps)

    @property
    def last(self) -> int:
        """The last variable of the program."""
        return self.first + len(self.steps)

    @property
    def known_variable(self) -> int:
        """The variable whose value is known."""
        return self.first if self.type == EVALUATION else self.last

    @property
    def asked_variable(self) -> int:
        """The variable whose value is asked for."""
        return self.last if self.type == EVALUATION else self.first

    def solve(self, field: Field, known: int) -> int:
        """The value of the asked variable, given the value of the known variable."""
        work = self._apply_steps if self.type == EVALUATION else self._undo_steps
        return work(field, known)

    def solve_in_reverse(self, field: Field, value: int) -> int:
        """The inverse of `solve`: work the program in the other direction.

        From the answer, this gives the known value. From the known value, it gives the result of a
        model that works in the wrong direction.
        """
        work = self._undo_steps if self.type == EVALUATION else self._apply_steps
        return work(field, value)

    def _apply_steps(self, field: Field, value: int) -> int:
        for operation, constant in self.steps:
            value = field.apply(operation, value, constant)
        return value

    def _undo_steps(self, field: Field, value: int) -> int:
        for operation, constant in reversed(self.steps):
            value = field.apply(INVERSE_OPERATION[operation], value, constant)
        return value


@dataclass(frozen=True)
class Problem:
    """One or more parts over GF(p).

    ``known`` is the known value of the first part. The known value of every other part is the
    answer of the part before.
    """

    p: int
    known: int
    parts: tuple[Part, ...]
    unasked: tuple[Part, ...] = ()  # shown in the prompt after the asked parts

    @property
    def field(self) -> Field:
        """The field GF(p) that all values belong to."""
        return make_field(self.p)

    @property
    def type(self) -> str:
        """The type of the only asked part, or "composition" if there are several."""
        return self.parts[0].type if len(self.parts) == 1 else COMPOSITION

    @property
    def n_steps(self) -> int:
        """The total number of steps of the asked parts."""
        return sum(len(part.steps) for part in self.parts)

    @cached_property
    def answer(self) -> int:
        """The answer of the problem: the value of the last asked part's asked variable."""
        value = self.known
        for part in self.parts:
            value = part.solve(self.field, value)
        return value

    @property
    def canonical(self) -> Canonical:
        """The canonical form: two problems count as the same if their canonical forms are equal.

        The form leaves out the numbers of the variables and the unasked parts.
        """
        return self.p, self.known, tuple((part.type, part.steps) for part in self.parts)

    @property
    def is_shortcut_hit(self) -> bool:
        """Whether working a one-part problem in the wrong direction happens to give its answer.

        The work begins with the known value, without a guess; see task.baselines.affine_shortcut.
        """
        (part,) = self.parts
        return part.solve_in_reverse(self.field, self.known) == self.answer

    def with_answer(self, answer: int) -> "Problem":
        """The problem with the same programs and the known value that leads to the given answer."""
        value = answer
        for part in reversed(self.parts):
            value = part.solve_in_reverse(self.field, value)
        return replace(self, known=value)

    def asking_for(self, n_parts: int) -> "Problem":
        """A problem with the same programs that asks for the answer of part n_parts, from 1."""
        everything = self.parts + self.unasked
        return replace(self, parts=everything[:n_parts], unasked=everything[n_parts:])

    def to_json(self) -> dict[str, Any]:
        """The problem as a JSON value."""
        return {
            "p": self.p,
            "known": self.known,
            "parts": [part.to_json() for part in self.parts],
            "unasked": [part.to_json() for part in self.unasked],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Problem":
        """Read a problem from the JSON value that Problem.to_json returned."""
        parts, unasked = (tuple(map(Part.from_json, value[key])) for key in ("parts", "unasked"))
        return cls(value["p"], value["known"], parts, unasked)


def _draw_steps(rng: Random, p: int, n_steps: int) -> tuple[Step, ...]:
    """Draw steps with random constants: any element for +, any element except 0 for *.

    A multiplication by 0 could not be undone.
    """
    return tuple(
        ("+", rng.randrange(p)) if rng.random() < 0.5 else ("*", rng.randrange(1, p))
        for _ in range(n_steps)
    )


def draw_composition(
    rng: Random, p: int, types: Sequence[str], steps: Sequence[int], n_variables: int
) -> Problem:
    """Draw a problem of ``len(types)`` parts. Part i has type types[i] and steps[i] steps.

    The number of the first variable is random. With a fixed first variable, a model trained only on
    short programs would learn at which variable programs end, instead of reading the prompt. Raises
    ValueError if the parts need more than n_variables variables.
    """
    used = sum(steps) + len(steps)
    if used > n_variables:
        raise ValueError(f"{steps} steps need {used} variables, there are {n_variables}")
    first = rng.randrange(n_variables - used + 1)
    parts = []
    for type_, n_steps in zip(types, steps, strict=True):
        parts.append(Part(type_, first, _draw_steps(rng, p, n_steps)))
        first = parts[-1].last + 1
    return Problem(p, rng.randrange(p), tuple(parts))


def draw_problem(rng: Random, p: int, type_: str, n_steps: int, n_variables: int) -> Problem:
    """Draw a problem of one part; see `draw_composition`."""
    return draw_composition(rng, p, [type_], [n_steps], n_variables)


def most_parts(part_steps: Sequence[int], n_variables: int) -> int:
    """The number of parts that always fit into a prompt, whatever sizes of part_steps they have."""
    return n_variables // (max(part_steps) + 1)


def draw_parts(
    rng: Random, p: int, n_parts: int, part_steps: Sequence[int], n_variables: int
) -> Problem:
    """Draw a problem of n_parts parts with random types and numbers of steps (of part_steps)."""
    types = [rng.choice(PROBLEM_TYPES) for _ in range(n_parts)]
    steps = [rng.choice(part_steps) for _ in range(n_parts)]
    return draw_composition(rng, p, types, steps, n_variables)
