"""The text of prompts and responses."""

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.task.field import make_field
from workflow_scripts.task.problems import EVALUATION, INVERSION, Part, Problem, draw_parts
from workflow_scripts.task.text import (
    COMPACT,
    NATURAL,
    Form,
    WorkedLine,
    contains_guess,
    count_words,
    parse_worked_lines,
    render_worked_line,
)

properties = settings(deadline=None, derandomize=True, max_examples=200)
STEPS = (("+", 4), ("*", 7))


NATURAL_PROMPT = """We compute in the field with 11 elements, the integers modulo 11.
They are written in symbols from e0 to e10, in an unusual order.
The steps of a program are:
{program}
It is known that {known}. What is {asked}?
Write down every calculation. The last line must be "Answer:" and the symbol of the result.
"""


def expected_prompt(form: Form, program: str, known: list[str], asked: str) -> str:
    if form is COMPACT:
        return f"{program}\n{' ; '.join([*known, asked])} ?\n"
    return NATURAL_PROMPT.format(program=program, known=" and ".join(known), asked=asked)


def prompt_in_numerals(form: Form, problem: Problem) -> str:
    """The prompt with elements as numbers, so that tests can be read."""
    values = {name: str(value) for value, name in enumerate(problem.field.names)}
    said = form.prompt(problem, show_field_map=False)
    return re.sub(r"(?<=[=+*] )e[0-9]+", lambda name: values[name[0]], said)


def test_prompt_of_an_evaluation_gives_the_first_variable_and_asks_for_the_last(form):
    problem = Problem(11, 5, (Part(EVALUATION, 2, STEPS),))
    expected = expected_prompt(form, "x3 = x2 + 4\nx4 = x3 * 7", ["x2 = 5"], "x4")
    assert prompt_in_numerals(form, problem) == expected


def test_prompt_of_an_inversion_gives_the_last_variable_and_asks_for_the_first(form):
    problem = Problem(11, 5, (Part(INVERSION, 0, STEPS),))
    expected = expected_prompt(form, "x1 = x0 + 4\nx2 = x1 * 7", ["x2 = 5"], "x0")
    assert prompt_in_numerals(form, problem) == expected


def test_prompt_of_a_composition_feeds_each_answer_into_the_next_part(form):
    parts = (Part(EVALUATION, 2, STEPS), Part(INVERSION, 5, STEPS), Part(EVALUATION, 8, STEPS[:1]))
    program = "x3 = x2 + 4\nx4 = x3 * 7\nx6 = x5 + 4\nx7 = x6 * 7\nx9 = x8 + 4"
    expected = expected_prompt(form, program, ["x2 = 5", "x7 = x4", "x8 = x5"], "x9")
    assert prompt_in_numerals(form, Problem(11, 5, parts)) == expected


def test_a_prompt_may_go_on_with_parts_that_are_not_asked_for(form):
    problem = draw_parts(Random(3), 11, 4, (1, 2), 18)
    last, second = (f"x{problem.parts[i].asked_variable}" for i in (3, 1))
    all_asked, fewer_asked = (
        form.prompt(each, show_field_map=False) for each in (problem, problem.asking_for(2))
    )
    question = {COMPACT: "; {} ?", NATURAL: "What is {}?"}[form]
    assert question.format(last) in all_asked
    assert fewer_asked == all_asked.replace(question.format(last), question.format(second))


def test_field_map_is_hidden_or_states_the_symbol_of_every_element():
    problem = Problem(5, 1, (Part(EVALUATION, 0, (("+", 3),)),))
    names = make_field(5).names
    shown = COMPACT.prompt(problem, True)
    first = "map " + " ".join(f"{value} = {names[value]}" for value in range(5))
    assert shown == f"{first}\n{COMPACT.prompt(problem, False)}"
    shown, hidden = (NATURAL.prompt(problem, show).splitlines() for show in (True, False))
    stated = ", ".join(f"{names[value]} is {value}" for value in range(5))
    assert shown[1] == f"They are written in symbols: {stated}."
    assert [shown[0], *shown[2:]] == [hidden[0], *hidden[2:]]


def test_elements_are_written_in_symbols_only(form):
    problem = Problem(11, 5, (Part(EVALUATION, 2, STEPS),))
    names = make_field(11).names
    program = f"x3 = x2 + {names[4]}\nx4 = x3 * {names[7]}"
    expected = expected_prompt(form, program, [f"x2 = {names[5]}"], "x4")
    assert form.prompt(problem, False) == expected


def test_words_are_counted_as_the_token_limit_counts_them():
    assert count_words("x3 = e5 + e4 = e9") == 5
    assert count_words("x3 = x2 + e4") == 3
    assert count_words("try e1\nno\nans e3") == 5
    assert count_words("From x3 = e5, I apply the steps.\nThen x4 = e5 + e4 = e9") == 7 + 6
    assert count_words(" \n ") == count_words("") == 0


@pytest.mark.parametrize("space", ["  ", "\n", "\t", "\u00a0", "\u2003", " \r\n "])
def test_any_white_space_separates_the_words_of_a_line(space):
    words = ["x3", "=", "e5", "+", "e4", "=", "e9"]
    assert parse_worked_lines(space.join(words)) == [WorkedLine(3, "e5", "+", "e4", "e9")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x3 = e5 + e4 =",
        "x3 = e5 + e4",
        "x3 = e5 + e4 e9",
        "x3 = e5 % e4 = e9",
        "x3 = 5 + 4 = 9",
        "x3 = x2 + e4 = e9",
        "From x3 = e5, I apply the steps.",
        "I guess that x3 = e5.",
        "It is known that x3 = e5 and x7 = x4.",
        "X3 = e5 + e4 = e9",
        "x = e5 + e4 = e9",
        "x-3 = e5 + e4 = e9",
        "xx3 = e5 + e4 = e9",
        "x3 = e5 + e4 = e9.",
        "x3= e5 + e4 = e9",
        "x3 = e5 +e4 = e9",
        "x\u0663 = e5 + e4 = e9",
        "x3 = e\u0665 + e4 = e9",
        "x3 = e5 + e4 = e9\u0669",
        "x3 \u2212 e5 + e4 = e9",
        "x" + "9" * 5000 + " = e5 + e4 = e9",
    ],
)
def test_malformed_lines_are_passed_over(text):
    assert parse_worked_lines(text) == []
    good = "x3 = e5 + e4 = e9"
    assert (
        parse_worked_lines(f"{good}\n{text}\n{good}") == [WorkedLine(3, "e5", "+", "e4", "e9")] * 2
    )


def test_the_guess_lines_of_a_form_are_found_and_its_other_lines_are_not(form):
    others = [
        form.link(3, "e5", "apply"),
        form.worked_line("x3 = e5 + e4 = e9"),
        form.check("e5", True),
        form.check("e5", False),
        form.answer("e5"),
    ]
    assert contains_guess("\n".join([*others, form.guess(12, "e10"), *others]))
    assert not contains_guess("\n".join(others))


@properties
@given(st.data(), st.sampled_from([2, 3, 11, 31, 101]), st.integers(0, 9999))
def test_a_rendered_line_is_parsed_as_written(form, data, p, variable):
    field = make_field(p)
    operand, constant, result = (data.draw(st.integers(0, p - 1)) for _ in range(3))
    operation = data.draw(st.sampled_from("+-*/"))
    line = render_worked_line(field, variable, operand, operation, constant, result)
    names = field.names
    expected = WorkedLine(variable, names[operand], operation, names[constant], names[result])
    assert parse_worked_lines(line) == parse_worked_lines(form.worked_line(line)) == [expected]
    assert count_words(line) == 5
