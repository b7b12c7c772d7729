"""The base corpus teaches facts and single lines of all kinds, never a solution of two steps."""

import re
from collections import Counter
from itertools import permutations
from random import Random

import pytest

from tests.model.conftest import ALL_KINDS, NO_KIND
from workflow_scripts.model.corpus import Document, draw_document
from workflow_scripts.model.tokenizer import encode, make_tokenizer
from workflow_scripts.task import text
from workflow_scripts.task.field import make_field
from workflow_scripts.task.task import BaseTask
from workflow_scripts.task.text import parse_worked_lines


def documents(p: int, n: int, kind: str | None = None, asks="last") -> list[Document]:
    """Documents of one kind, or of all kinds."""
    shares = NO_KIND.model_copy(update={kind: 1.0}) if kind else ALL_KINDS
    rng, task = Random(7), BaseTask(p, 18, asks)
    return [draw_document(rng, task, 16, shares) for _ in range(n)]


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


def test_no_document_holds_a_guess_or_a_field_map():
    words = {text.GUESS, text.FIELD_MAP}
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
    assert n_facts > 4_000


def test_comparisons_say_whether_two_values_are_the_same():
    verdicts = Counter()
    for document in documents(11, 100, "comparisons"):
        for (pair, _), (verdict, learnt) in zip(document[::2], document[1::2], strict=True):
            one, other = pair.split()
            assert learnt
            assert verdict.strip() == ("ok" if one == other else "no")
            verdicts[verdict.strip()] += 1
    assert 0.5 < verdicts["ok"] / verdicts.total() < 0.6


def test_lists_follow_the_program_between_two_variables_both_ways():
    directions = Counter()
    for document in documents(11, 500, "lists"):
        (prompt, _), (listed, _) = document
        *program, request = prompt.splitlines()
        one, other = re.fullmatch(r"x([0-9]+) = _ ; x([0-9]+) [?]", request).groups()
        lines = listed.splitlines()
        assert lines.pop() == "end"
        by_variable = {line.split()[0]: line.split()[3:] for line in program}
        low, high = sorted((int(one), int(other)))
        up = [by_variable[f"x{i}"] for i in range(low + 1, high + 1)]
        inverse = {"+": "-", "*": "/"}
        down = [[inverse[operation], constant] for operation, constant in reversed(up)]
        is_up = lines[0].split()[3] in inverse
        assert [line.split()[3:5] for line in lines] == (up if is_up else down)
        variables = range(low + 1, high + 1) if is_up else range(high - 1, low - 1, -1)
        assert [line.split()[0] for line in lines] == [f"x{i}" for i in variables]
        directions[is_up, int(one) < int(other)] += 1
    assert min(directions.values()) > 80, "the question does not tell the direction"


@pytest.mark.parametrize("asks", ["last", "any"])
def test_walks_cover_one_part_of_a_composition_from_its_known_variable(asks):
    others_follow = 0
    for document in documents(11, 300, "walks", asks):
        *given, (listed, _) = document
        clauses = given[0][0].splitlines()[-1].split(" ; ")
        assert len(clauses) > 2, "one part would tell the direction of a problem"
        known, value = (given[1][0].strip() if given[1:] else clauses[0]).split(" = ")
        asked = {c.split(" = ")[0]: c.split(" = ")[1] for c in clauses[1:-1]}
        parts = [clauses[0].split(" = ")[0], *asked]
        ends = [*asked.values(), clauses[-1].removesuffix(" ?")]
        end = ends[parts.index(known)]
        others_follow += clauses[-1].removesuffix(" ?") in asked.values()
        first, *others, last = listed.splitlines()
        assert last == "end"
        assert first.split()[2] == value
        assert all(line.split()[2] == "_" for line in others)
        variables = [int(line.split()[0][1:]) for line in (first, *others)]
        step = 1 if int(end[1:]) > int(known[1:]) else -1
        assert variables == list(range(int(known[1:]) + step, int(end[1:]) + step, step))
    assert 100 < others_follow < 250 if asks == "any" else others_follow == 0


def test_checks_compare_the_result_of_a_line_with_the_value_that_is_known():
    n_right = 0
    for document in documents(11, 300, "checks"):
        (prompt, _), *checks = document
        known, value = re.search(r"(x[0-9]+) = (e[0-9]+) ; x[0-9]+ [?]", prompt).groups()
        for (worked, _), (check, learnt) in zip(checks[::2], checks[1::2], strict=True):
            (line,) = parse_worked_lines(worked)
            assert f"x{line.variable}" == known
            assert learnt
            assert check.split() == [value, "ok" if line.result == value else "no"]
            n_right += line.result == value
    assert 0.4 < n_right / (300 * 8) < 0.7


@pytest.mark.parametrize("asks", ["last", "any"])
def test_links_hand_a_result_to_the_part_that_asks_for_it_or_answer(asks):
    n_answers = 0
    for document in documents(11, 300, "links", asks):
        (prompt, _), *links = document
        clauses = prompt.splitlines()[-1].split(" ; ")
        next_part = {c.split(" = ")[1]: c.split(" = ")[0] for c in clauses[1:-1]}
        asked = clauses[-1].removesuffix(" ?")
        for (worked, _), (handed, learnt) in zip(links[::2], links[1::2], strict=True):
            (line,) = parse_worked_lines(worked)
            variable = f"x{line.variable}"
            assert learnt
            if variable == asked:
                assert handed == f"ans {line.result}\n"
                n_answers += 1
            else:
                assert handed == f"{next_part[variable]} = {line.result}\n"
    assert 300 < n_answers < 2000


def test_the_tokenizer_knows_every_word_of_the_corpus():
    tokenizer = make_tokenizer(13, 18)
    encode(tokenizer, [part for document in documents(13, 1_000) for part, _ in document])


def test_the_same_seed_gives_the_same_corpus():
    assert documents(11, 200) == documents(11, 200)
