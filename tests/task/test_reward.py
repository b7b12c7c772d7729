"""The reward."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.task.problems import EVALUATION, INVERSION, draw_composition, draw_problem
from workflow_scripts.task.reward import is_correct, outcome_reward
from workflow_scripts.task.solutions import FORWARD, write_fitting_solution, write_solution
from workflow_scripts.task.text import COMPACT, NATURAL

PROBLEM = draw_problem(Random("verify"), 11, EVALUATION, 3, 18)
NAMES = PROBLEM.field.names
RIGHT = NAMES[PROBLEM.answer]
WRONG = NAMES[(PROBLEM.answer + 1) % 11]
MARK = {COMPACT: "ans", NATURAL: "Answer:"}


@pytest.fixture(scope="session")
def mark(form) -> str:
    return MARK[form]


@pytest.fixture(scope="session")
def solution(form) -> str:
    return write_solution(form, PROBLEM, FORWARD, Random(0), 96)


def test_every_generated_solution_passes(sft_mix):
    failed = [e for e in sft_mix if outcome_reward(e.problem, e.solution, complete=True) != 1.0]
    assert failed == []


def test_every_solution_with_one_changed_answer_fails(sft_mix):
    rng = Random("wrong answers")
    passed = []
    for example in sft_mix:
        names = example.problem.field.names
        lines, right = example.solution.rsplit(" ", 1)
        assert right == names[example.problem.answer]
        changed = f"{lines} {rng.choice([name for name in names if name != right])}"
        if outcome_reward(example.problem, changed, complete=True) != 0.0:
            passed.append((example, changed))
    assert passed == []


def test_every_other_answer_fails(solution):
    for name in NAMES:
        response = solution.removesuffix(RIGHT) + name
        assert outcome_reward(PROBLEM, response, complete=True) == float(name == RIGHT)


def test_composed_solutions_pass_and_changed_ones_fail(form):
    rng = Random("compositions")
    for _ in range(500):
        n_parts = rng.randrange(2, 7)
        types = [rng.choice([EVALUATION, INVERSION]) for _ in range(n_parts)]
        problem = draw_composition(rng, 13, types, [rng.randrange(1, 3) for _ in types], 18)
        solution = write_fitting_solution(form, problem)
        assert outcome_reward(problem, solution, complete=True) == 1.0
        lines, right = solution.rsplit(" ", 1)
        for name in problem.field.names:
            assert outcome_reward(problem, f"{lines} {name}", True) == float(name == right)


def test_truncated_response_earns_nothing_even_if_it_looks_whole(solution):
    assert outcome_reward(PROBLEM, solution, complete=True) == 1.0
    assert outcome_reward(PROBLEM, solution, complete=False) == 0.0


def test_only_the_outcome_counts(solution, mark):
    assert is_correct(PROBLEM, f"{mark} {RIGHT}")
    assert is_correct(PROBLEM, f"x1 = e1 + e1 = e1 nonsense {mark} {RIGHT}")
    assert is_correct(PROBLEM, solution.replace("\n", " ") + " \n")


@pytest.mark.parametrize(
    "response",
    [
        "",
        " \n\t",
        "ans",
        RIGHT,
        f"ans {WRONG}",
        f"ans {WRONG}\nans {RIGHT}",
        f"ans {RIGHT}\nans {RIGHT}",
        f"ans {RIGHT}\nans {WRONG}",
        f"ans ans {RIGHT}",
        f"ans {RIGHT} ans",
        f"ans {RIGHT} {RIGHT}",
        f"ans {RIGHT} .",
        f"ans {RIGHT}.",
        f"ans {RIGHT}\nx1 = e1 + e1 = e1",
        f"ans {WRONG} {RIGHT}",
        f"Ans {RIGHT}",
        f"ANS {RIGHT}",
        f"answer {RIGHT}",
        f"ans: {RIGHT}",
        f"ans{RIGHT}",
        f"ans {RIGHT.upper()}",
        f"ans {RIGHT}0",
        f"ans {PROBLEM.answer}",
        f"ans {RIGHT[1:]}",
        "ans e11",
        "ans e-1",
        "ans e999999999999999999999",
        f"ans \ufeff{RIGHT}",
        f"ans {RIGHT}\x00",
        f"Answer {RIGHT}",
        f"Answer:{RIGHT}",
        f"answer: {RIGHT}",
        f"**Answer: {RIGHT}**",
        f"ans Answer: {RIGHT}",
        f"Answer: {WRONG}\nans {RIGHT}",
        "ans " + RIGHT.translate({ord(str(d)): chr(0x660 + d) for d in range(10)}),
    ],
    ids=repr,
)
def test_other_endings_earn_nothing(form, solution, response):
    response = response.replace("ans", MARK[form])
    assert outcome_reward(PROBLEM, response, complete=True) == 0.0
    worked = solution.rsplit("\n", 1)[0]
    assert outcome_reward(PROBLEM, f"{worked}\n{response}", complete=True) == 0.0


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.text(), st.booleans())
def test_any_text_is_judged_by_its_last_two_words(mark, text, end_with_answer):
    """The mark and the right element after any text without a mark is right, and that is not."""
    if set(MARK.values()) & set(text.split()):
        return
    response = f"{text} {mark} {RIGHT}" if end_with_answer else text
    assert outcome_reward(PROBLEM, response, complete=True) == float(end_with_answer)
