"""The outcome reward in the form that TRL's trainers call.

    trainer = GRPOTrainer(model, reward_funcs=reward, train_dataset=prompts)

The data set needs a column `problem`: the JSON value of Problem.to_json, or that value as text. TRL
passes every column of the data set to the reward function. The study's own training does not use
this module (see train.grpo, which also logs every rollout).
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward

# What TRL passes as a completion: text, or the messages of a conversation.
Completion = str | list[dict[str, Any]]
Judge = Callable[[Problem, str, bool], float]


def _text(completion: Completion) -> str:
    return completion if isinstance(completion, str) else str(completion[-1]["content"])


def _problem(value: str | dict[str, Any]) -> Problem:
    return Problem.from_json(json.loads(value) if isinstance(value, str) else value)


def make_reward(
    end: int | None = None, judge: Judge = outcome_reward
) -> Callable[..., list[float | None]]:
    """Return a reward function for TRL that gives each completion 1.0 or 0.0.

    end is the token that ends a response, the tokenizer's eos_token_id. With it, a completion that
    was cut off at the token limit gets 0.0, as in the study. Without it, every completion counts as
    ended, because a text does not show whether it was cut off. judge gives the reward of one
    response: outcome_reward, or the more lenient task.verify.lenient_reward.
    """

    def reward(
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        problem: Sequence[str | dict[str, Any]],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **_: Any,
    ) -> list[float | None]:
        """The reward of each completion. No reward is None, which TRL's type allows."""
        if end is None:
            ended = [True] * len(completions)
        elif completion_ids is None:
            raise ValueError("make_reward(end) needs completion_ids, which TRL passes")
        else:
            ended = [len(ids) > 0 and ids[-1] == end for ids in completion_ids]
        return [
            judge(_problem(value), _text(completion), complete)
            for value, completion, complete in zip(problem, completions, ended, strict=True)
        ]

    return reward


reward = make_reward()
