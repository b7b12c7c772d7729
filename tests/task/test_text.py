"""The text of prompts and responses."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.task.field import make_field
from workflow_scripts.task.problems import EVALUATION, INVERSION, Part, Problem, draw_parts
from workflow_scripts.task.text import (
    WorkedLine,
    count_words,
    parse_worked_lines,
    render_prompt,
    render_worked_line,
)

properties = settings(deadline=None, derandomize=True, max_examples=200)
STEPS = (("+", 4), ("*", 7))


def prompt_in_numerals(problem: Problem, show_field_map: bool = False) -> str:
    """The prompt with elements as numbers, so that tests can be read."""
    values = {name: str(value) for value, name in enumerate(problem.field.names)}
    lines = render_prompt(problem, show_field_map).split("\n")
    return "\n".join(" ".join(values.get(word, word) for word in line.split()) for line in lines)


def test_prompt_of_an_evaluation_gives_the_first_variable_and_asks_for_the_last():
    problem = Problem(11, 5, (Part(EVALUATION, 2, STEPS),))
    assert prompt_in_numerals(problem) == "x3 = x2 + 4\nx4 = x3 * 7\nx2 = 5 ; x4 ?\n"


def test_prompt_of_an_inversion_gives_the_last_variable_and_asks_for_the_first():
    problem = Problem(11, 5, (Part(INVERSION, 0, STEPS),))
    assert prompt_in_numerals(problem) == "x1 = x0 + 4\nx2 = x1 * 7\nx2 = 5 ; x0 ?\n"


def test_prompt_of_a_composition_feeds_each_answer_into_the_next_part():
    parts = (Part(EVALUATION, 2, STEPS), Part(INVERSION, 5, STEPS), Part(EVALUATION, 8, STEPS[:1]))
    assert prompt_in_numerals(Problem(11, 5, parts)) == (
        "x3 = x2 + 4\nx4 = x3 * 7\n"
        "x6 = x5 + 4\nx7 = x6 * 7\n"
        "x9 = x8 + 4\n"
        "x2 = 5 ; x7 = x4 ; x8 = x5 ; x9 ?\n"
    )


def test_a_prompt_may_go_on_with_parts_that_are_not_asked_for():
    problem = draw_parts(Random(3), 11, 4, (1, 2), 18)
    *program, question = render_prompt(problem, show_field_map=False).splitlines()
    *fewer_program, fewer = render_prompt(problem.asking_for(2), show_field_map=False).splitlines()
    assert fewer_program == program
    *links, asked = question.split(" ; ")
    *same_links, fewer_asked = fewer.split(" ; ")
    assert same_links == links
    assert asked == f"x{problem.parts[3].asked_variable} ?"
    assert fewer_asked == f"x{problem.parts[1].asked_variable} ?"


def test_field_map_is_hidden_or_states_the_symbol_of_every_element_first():
    problem = Problem(5, 1, (Part(EVALUATION, 0, (("+", 3),)),))
    hidden, shown = render_prompt(problem, False), render_prompt(problem, True)
    first, rest = shown.split("\n", 1)
    assert rest == hidden
    names = make_field(5).names
    assert first == "map " + " ".join(f"{value} = {names[value]}" for value in range(5))


def test_elements_are_written_in_symbols_only():
    problem = Problem(11, 5, (Part(EVALUATION, 2, STEPS),))
    names = make_field(11).names
    assert render_prompt(problem, False) == (
        f"x3 = x2 + {names[4]}\nx4 = x3 * {names[7]}\nx2 = {names[5]} ; x4 ?\n"
    )


def test_words_are_counted_as_the_token_limit_counts_them():
    assert count_words("x3 = e5 + e4 = e9") == 5
    assert count_words("x3 = x2 + e4") == 3
    assert count_words("try e1\nno\nans e3") == 5
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


@properties
@given(st.data(), st.sampled_from([2, 3, 11, 31, 101]), st.integers(0, 9999))
def test_a_rendered_line_is_parsed_as_written(data, p, variable):
    field = make_field(p)
    operand, constant, result = (data.draw(st.integers(0, p - 1)) for _ in range(3))
    operation = data.draw(st.sampled_from("+-*/"))
    line = render_worked_line(field, variable, operand, operation, constant, result)
    names = field.names
    expected = WorkedLine(variable, names[operand], operation, names[constant], names[result])
    assert parse_worked_lines(line) == [expected]
    assert count_words(line) == 5
