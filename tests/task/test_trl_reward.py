"""The reward as TRL calls it; that a trainer accepts it is tested by docs/library.md."""

import json

import pytest

from workflow_scripts.task.trl_reward import make_reward, reward
from workflow_scripts.task.verify import lenient_reward

END = 2


@pytest.fixture
def call(form, draw_sft_mix):
    """The arguments of TRL's call for two right answers, cut off or not, and a wrong one."""
    (example,) = draw_sft_mix(form, 1, seed=1)
    problem, solution = example.problem, example.solution
    return {
        "prompts": ["a prompt"] * 3,
        "completions": [solution, solution, solution + "0"],
        "completion_ids": [[5, END], [5, 6], [5, END]],
        "problem": [json.dumps(problem.to_json())] * 3,
        "type": ["inversion"] * 3,
        "trainer_state": None,
        "log_extra": None,
        "log_metric": None,
    }


def test_a_completion_has_the_reward_of_its_text(call):
    assert reward(**call) == [1.0, 1.0, 0.0]
    assert reward(call["prompts"], call["completions"], problem=call["problem"]) == [1.0, 1.0, 0.0]
    assert reward.__name__ == "reward"  # TRL logs the reward under this name


def test_with_the_end_token_a_cut_off_completion_has_no_reward(call):
    assert make_reward(END)(**call) == [1.0, 0.0, 0.0]
    del call["completion_ids"]
    with pytest.raises(ValueError, match="completion_ids"):
        make_reward(END)(**call)


def test_problems_may_be_values_and_completions_conversations(call):
    call["problem"] = [json.loads(text) for text in call["problem"]]
    call["completions"] = [[{"role": "assistant", "content": t}] for t in call["completions"]]
    assert reward(**call) == [1.0, 1.0, 0.0]


def test_another_verifier_can_judge(call):
    call["completions"] = [text + "." for text in call["completions"]]
    assert reward(**call) == [0.0, 0.0, 0.0]
    assert make_reward(judge=lenient_reward)(**call) == [1.0, 1.0, 0.0]
