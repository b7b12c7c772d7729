"""Solutions must fit into the tokens that RL may sample, by the model's own tokenizer."""

from dataclasses import asdict, replace

import pytest

from tests.standin import EXAMPLES, TASK
from workflow_scripts.common.errors import StudyError
from workflow_scripts.model.tokenizer import encode, load_tokenizer, make_tokenizer
from workflow_scripts.task.datasets import draw_prompts, write_dataset
from workflow_scripts.task.mixes import PromptSingles
from workflow_scripts.train.limit import refuse_short_limit

MIX = PromptSingles((6, 7, 8, 9), evaluation_share=0.5)


@pytest.fixture
def write_prompts(tmp_path):
    def write(task):
        path = tmp_path / "prompts.jsonl"
        write_dataset(path, {"task": asdict(task)}, draw_prompts(task, MIX, 64, 0, set()))
        return path

    return write


def test_a_word_level_tokenizer_needs_a_token_for_each_word(write_prompts):
    prompts = write_prompts(replace(TASK, text="compact", response_words=81))
    tokenizer = make_tokenizer(11, 18)
    refuse_short_limit(tokenizer, prompts, 81)
    with pytest.raises(StudyError, match=r"rl.max_new_tokens: 80: at least 81, the tokens"):
        refuse_short_limit(tokenizer, prompts, 80)


def test_the_limit_of_a_chat_model_is_told_in_its_own_tokens(write_prompts, chat_model):
    chat = load_tokenizer(chat_model)
    with pytest.raises(StudyError) as error:
        refuse_short_limit(chat, write_prompts(TASK), 200)
    needed = int(str(error.value).split("at least ")[1].split(",")[0])
    longest = max(map(len, encode(chat, [example["response"] for example in EXAMPLES]))) + 1
    assert longest <= needed <= 3 * TASK.response_words
    refuse_short_limit(chat, write_prompts(TASK), needed)
