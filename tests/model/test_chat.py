"""Instruction models are asked through their chat template; models without one are not."""

import pytest

from tests.standin import EXAMPLES, SYSTEM
from workflow_scripts.model.store import save_model
from workflow_scripts.model.tokenizer import encode, load_tokenizer, user_turn
from workflow_scripts.task.text import NATURAL, count_words
from workflow_scripts.train.grpo import prompt_dataset
from workflow_scripts.train.sft import tokenize_examples


@pytest.fixture(scope="module")
def chat(chat_model):
    return load_tokenizer(chat_model)


def test_a_prompt_is_the_turn_of_a_user_and_the_response_the_turn_of_the_model(chat):
    prompt = EXAMPLES[0]["prompt"]
    assert user_turn(chat, prompt) == (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
        f"<|im_start|>user\n{prompt.strip()}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_tokenizer_without_a_chat_template_gets_the_prompt_as_it_is(tokenizer):
    assert user_turn(tokenizer, "x1 = x0 + e1\n") == "x1 = x0 + e1\n"


def test_special_tokens_are_one_token_each_and_none_is_added(chat):
    start, end = chat.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    for example in tokenize_examples(EXAMPLES[:20], chat):
        ids = example["input_ids"]
        assert ids.count(start) == 3, "system, user, model"
        assert ids.count(end) == 3
        assert ids[0] == start
        assert ids[-1] == end == chat.eos_token_id != chat.pad_token_id
        assert chat.pad_token_id not in ids
        # The model's turn is learnt, with its end, and nothing else.
        learnt = [label for label in example["labels"] if label != -100]
        assert learnt == ids[-len(learnt) :]
        assert learnt.count(end) == 1


def test_text_passes_through_the_tokenizer_as_it_is(chat):
    for example in EXAMPLES:
        for ids, text in zip(
            encode(chat, [example["prompt"], example["response"]]),
            (example["prompt"], example["response"]),
            strict=True,
        ):
            assert chat.decode(ids, skip_special_tokens=True) == text


def test_all_stages_give_a_model_the_same_tokens_for_a_prompt(chat):
    """RL hands text to TRL, which hands it back to be sampled from; SFT and sampling do not."""
    in_rl = encode(chat, list(prompt_dataset(EXAMPLES[:20], chat)["prompt"]))
    in_sft = [example["input_ids"] for example in tokenize_examples(EXAMPLES[:20], chat)]
    for prompt, whole in zip(in_rl, in_sft, strict=True):
        assert whole[: len(prompt)] == prompt


def test_the_template_and_the_tokens_outlast_being_saved_with_a_trained_model(
    chat, tmp_path, model
):
    save_model(model, chat, tmp_path / "trained")
    again = load_tokenizer(tmp_path / "trained")
    assert again.chat_template == chat.chat_template
    assert (again.eos_token, again.pad_token) == (chat.eos_token, chat.pad_token)
    texts = [user_turn(chat, example["prompt"]) for example in EXAMPLES[:20]]
    assert encode(again, texts) == encode(chat, texts)


def test_a_word_of_the_natural_form_has_no_more_tokens_than_the_plan_reckons_with(chat):
    """The stand-in's pieces are Qwen's: digits and signs stand alone."""
    responses = [example["response"] for example in EXAMPLES]
    for response, ids in zip(responses, encode(chat, responses), strict=True):
        assert len(ids) <= NATURAL.tokens_per_word * count_words(response)
