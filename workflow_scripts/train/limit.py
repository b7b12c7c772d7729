"""Check that rl.max_new_tokens is large enough for the solutions, with the model's tokenizer."""

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from workflow_scripts.common.errors import StudyError
from workflow_scripts.model.tokenizer import encode
from workflow_scripts.task.datasets import read_dataset, read_task
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.solutions import write_fitting_solution
from workflow_scripts.task.text import count_words


def refuse_short_limit(tokenizer: PreTrainedTokenizerBase, prompts: Path, limit: int) -> None:
    """Raise StudyError if a response of task.response_words words may have more tokens than limit.

    The number of tokens per word is measured on solutions of the prompts' problems. (The plan is
    made before the tokenizer is available, so the plan's own check uses Form.tokens_per_word.)
    """
    task = read_task(prompts)
    words = task.response_words
    problems = (Problem.from_json(row["problem"]) for row in read_dataset(prompts))
    solutions = [write_fitting_solution(task.form, problem) for problem in problems]
    needed = max(
        -(-words * (len(ids) + 1) // (count_words(solution) + 1))  # + 1: the end token
        for solution, ids in zip(solutions, encode(tokenizer, solutions), strict=True)
    )
    if limit < needed:
        raise StudyError(
            f"rl.max_new_tokens: {limit}: at least {needed}, the tokens that the tokenizer of this "
            f"model makes of task.response_words, which is {words}"
        )
