"""The lenient verifier: any words around the answer, but one answer, and the right element."""

import time

import pytest

from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.task.verify import lenient_reward, stated_answer


@pytest.fixture
def examples(form, draw_sft_mix):
    return list(draw_sft_mix(form, 200, seed=1))


@pytest.mark.parametrize(
    "response",
    [
        "ans e4",
        "Answer: e4",
        "Answer: e4.",
        "**Answer:** e4",
        "**Answer: e4**",
        "**Answer**: `e4`",
        "The answer is e4",
        "The final answer is: $\\boxed{e4}$.",
        "so we get \\boxed{\\text{e4}}",
        "FINAL ANSWER: E4",
        "Answer: x3 = e4",
        "Answer: (e4), since x3 = e9 + e1",
        "Answer:\ne4\n\n- x3 = e1",
        "Answer: e4. I hope this helps.",
        "ans e4 ans e4",
    ],
)
def test_words_around_an_answer_do_not_matter(response):
    assert stated_answer("x3 = e9 + e1 = e2\n" + response) == "e4"


@pytest.mark.parametrize(
    "response",
    [
        "",
        "e4",
        "x3 = e1 + e2 = e4",
        "ans",
        "answers e4",
        "Answer: 4",
        "Answer: e4x",
        "Answer: e4.5",
        "The answer is not e4",
        'The last line must be "Answer:" and e4',
    ],
)
def test_no_answer_is_read_into_a_text(response):
    assert stated_answer(response) is None


@pytest.mark.parametrize(
    "response",
    [
        "ans e4 ans e5",
        "ans e4 e5",
        "Answer: e4 or e5",
        "Answer: e4, e5",
        "The answer is e4. Answer: e5",
        "Answer: e4 + e5 = e9",
        "Answer: e4 * e5",
        "Answer: e4 or e5 = e3",
    ],
)
def test_two_answers_are_none(response):
    assert stated_answer(response) is None


def test_only_the_right_element_of_an_ended_response_is_rewarded(examples):
    for example in examples:
        problem, names = example.problem, example.problem.field.names
        for answer, name in enumerate(names):
            is_right = answer == problem.answer
            assert lenient_reward(problem, f"**Answer:** {name}.", True) == is_right
            assert lenient_reward(problem, f"**Answer:** {name}.", False) == 0.0


def test_it_rewards_written_solutions_as_the_study_does(examples):
    for example in examples:
        for text in (example.solution, example.solution[:-1], example.solution + "0"):
            strict = outcome_reward(example.problem, text, True)
            assert lenient_reward(example.problem, text, True) == strict


@pytest.mark.parametrize(
    "text", ["answer" + " " * 50_000, "ans " * 20_000, "ans " + "e4," * 20_000]
)
def test_long_texts_take_linear_time(text):
    started = time.process_time()
    stated_answer(text)
    assert time.process_time() - started < 2
