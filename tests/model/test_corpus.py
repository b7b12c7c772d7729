"""The base corpus teaches facts and single lines of all kinds, never a solution of two steps."""

import re
from itertools import permutations
from random import Random

import pytest

from workflow_scripts.model.corpus import draw_document
from workflow_scripts.model.tokenizer import encode, make_tokenizer
from workflow_scripts.task import text
from workflow_scripts.task.field import make_field
from workflow_scripts.task.text import parse_worked_lines

SHARES = {"facts": 0.2, "lines": 0.2, "lists": 0.2, "checks": 0.2, "links": 0.2}


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


def test_no_document_holds_a_guess_or_an_answer_that_was_worked_out():
    for document in documents(11, 3_000):
        whole = "".join(part for part, _ in document)
        assert text.GUESS not in whole.split()
        assert text.ANSWER not in whole.split() or not parse_worked_lines(whole)


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


def test_checks_compare_the_result_of_a_line_with_the_value_that_is_given():
    n_right = 0
    for document in documents(11, 300, {"checks": 1.0}):
        (prompt, _), *checks = document
        clause = prompt.splitlines()[-1]
        known, value = re.fullmatch(r"(x[0-9]+) = (e[0-9]+) ; x[0-9]+ [?]", clause).groups()
        for (worked, _), (check, learnt) in zip(checks[::2], checks[1::2], strict=True):
            (line,) = parse_worked_lines(worked)
            assert f"x{line.variable}" == known
            assert learnt
            assert check.split() == [value, "ok" if line.result == value else "no"]
            n_right += line.result == value
    assert 0.4 < n_right / (300 * 8) < 0.7


def test_links_hand_a_value_to_the_part_that_asks_for_it_or_answer():
    n_answers = 0
    for document in documents(11, 300, {"links": 1.0}):
        (prompt, _), *links = document
        clauses = prompt.splitlines()[-1].split(" ; ")
        next_part = {c.split(" = ")[1]: c.split(" = ")[0] for c in clauses[1:-1]}
        asked = clauses[-1].removesuffix(" ?")
        for (request, _), (line, learnt) in zip(links[::2], links[1::2], strict=True):
            _, variable, _, value = request.split()
            assert learnt
            if variable == asked:
                assert line == f"ans {value}\n"
                n_answers += 1
            else:
                assert line == f"{next_part[variable]} = {value}\n"
    assert 300 < n_answers < 2000


def test_the_tokenizer_knows_every_word_of_the_corpus():
    tokenizer = make_tokenizer(13, 18)
    encode(tokenizer, [part for document in documents(13, 1_000) for part, _ in document])


def test_the_same_seed_gives_the_same_corpus():
    assert documents(11, 200) == documents(11, 200)
