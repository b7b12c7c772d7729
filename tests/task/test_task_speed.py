"""The task library is never what a study waits for."""

import time

from tests.task.conftest import TASK
from workflow_scripts.task.datasets import draw_validation
from workflow_scripts.task.label import label
from workflow_scripts.task.mixes import Singles
from workflow_scripts.task.reward import outcome_reward


def test_5_000_problems_of_the_sft_mix_are_made_and_verified_per_second(draw_sft_mix, form):
    """Processor time of one core; the best of three, each of a second or more."""
    rates = []
    for attempt in range(3):
        count, begin = 0, time.process_time()
        while (spent := time.process_time() - begin) < 1:
            for example in draw_sft_mix(form, 1000, seed=1_000_000 * attempt + count):
                assert outcome_reward(example.problem, example.solution, complete=True) == 1
            count += 1000
        rates.append(count / spent)
    assert max(rates) >= 5000, rates


def test_two_balanced_splits_of_1024_problems_are_drawn_within_a_second():
    """Processor time of one core; the best of three."""
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        draw_validation(TASK, Singles(tuple(range(2, 10))), 1024)
        seconds.append(time.process_time() - begin)
    assert min(seconds) < 1, seconds


def test_20_000_responses_are_labelled_per_second(draw_sft_mix, form):
    """As many as 100,000 rollouts in five seconds. Eight responses to a problem, as in RL."""
    examples = [example for example in draw_sft_mix(form, 1000, seed=0) for _ in range(8)]
    rates = []
    for _ in range(3):
        begin = time.process_time()
        for example in examples:
            label(example.problem, example.solution, complete=True)
        rates.append(len(examples) / (time.process_time() - begin))
    assert max(rates) >= 20_000, rates
