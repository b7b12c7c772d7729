"""The base corpus teaches facts, single lines and lists, and never a solution of two steps."""

from itertools import permutations
from random import Random

import pytest

from workflow_scripts.model.corpus import draw_document
from workflow_scripts.model.tokenizer import encode, make_tokenizer
from workflow_scripts.task import text
from workflow_scripts.task.field import make_field
from workflow_scripts.task.text import parse_worked_lines

SHARES = {"facts": 0.3, "lines": 0.4, "lists": 0.3}


def documents(p: int, n: int, shares=None):
    rng = Random(7)
    return [draw_document(rng, p, 18, 16, shares or SHARES) for _ in range(n)]


@pytest.mark.parametrize("p", [2, 11, 13])
def test_no_document_holds_two_worked_lines_of_which_one_goes_on_from_the_other(p):
    """A solution of two steps is a line whose operand is the result of the line before."""
    names, n_lines = make_field(p).names, 0
    for document in documents(p, 20_000 if p == 11 else 3_000):
        lines = parse_worked_lines("".join(part for part, _ in document))
        n_lines += len(lines)
        for one, other in permutations(lines, 2):
            source = other.variable + (-1 if other.operation in "+*" else 1)
            assert (source, other.operand) != (one.variable, one.result), document
        assert all(line.result in names for line in lines)
    assert n_lines > 3_000


def test_no_document_holds_a_word_of_problems_or_strategies():
    words = {text.ANSWER, text.GUESS, text.WRONG, text.RIGHT, "?", ";"}
    for document in documents(11, 3_000):
        assert words.isdisjoint("".join(part for part, _ in document).split())


def test_every_fact_and_every_worked_line_is_right():
    field = make_field(11)
    value = {name: v for v, name in enumerate(field.names)}
    n_facts = 0
    for document in documents(11, 2_000):
        whole = "\n".join(part for part, _ in document)
        for line in parse_worked_lines(whole):
            arguments = line.operation, value[line.operand], value[line.constant]
            assert field.names[field.apply(*arguments)] == line.result
        if len(document) == 32:
            for (question, _), (answer, _) in zip(document[::2], document[1::2], strict=True):
                a, operation, b, _ = question.split()
                assert field.names[field.apply(operation, value[a], value[b])] == answer
                n_facts += 1
    assert n_facts > 5_000


def test_lists_follow_the_program_up_and_down_to_the_named_end():
    for document in documents(11, 500, {"lists": 1.0}):
        (prompt, _), (listed, _) = document
        *program, request = prompt.splitlines()
        _, direction, first, last = request.split()
        lines = listed.splitlines()
        assert lines.pop() == "end"
        by_variable = {line.split()[0]: line.split()[3:] for line in program}
        low, high = sorted((int(first[1:]), int(last[1:])))
        up = [by_variable[f"x{i}"] for i in range(low + 1, high + 1)]
        inverse = {"+": "-", "*": "/"}
        expected = up if direction == "up" else [[inverse[o], c] for o, c in reversed(up)]
        assert [line.split()[3:5] for line in lines] == expected
        variables = range(low + 1, high + 1) if direction == "up" else range(high - 1, low - 1, -1)
        assert [line.split()[0] for line in lines] == [f"x{i}" for i in variables]


def test_the_tokenizer_knows_every_word_of_the_corpus():
    tokenizer = make_tokenizer(13, 18)
    encode(tokenizer, [part for document in documents(13, 1_000) for part, _ in document])


def test_the_same_seed_gives_the_same_corpus():
    assert documents(11, 200) == documents(11, 200)
