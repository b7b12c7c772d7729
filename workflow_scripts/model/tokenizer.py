"""The word-level tokenizer of the offline tiers: one token for each word of the task's text."""

from typing import cast

from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from workflow_scripts.common.errors import StudyError
from workflow_scripts.task import text
from workflow_scripts.task.field import make_field

PAD, UNKNOWN, END = "<pad>", "<unk>", "<eos>"
# Words of the base corpus only.
LINE, UP, DOWN, BLANK, LIST_END = "line", "up", "down", "_", "end"


def make_tokenizer(p: int, n_variables: int) -> PreTrainedTokenizerFast:
    """Return the tokenizer for GF(p) and the variables x0 .. x{n_variables-1}."""
    elements = sorted(make_field(p).names)
    words = [PAD, UNKNOWN, END, "=", ";", "?"]
    words += [text.ANSWER, text.GUESS, text.WRONG, text.RIGHT, text.FIELD_MAP]
    words += [LINE, UP, DOWN, BLANK, LIST_END]
    words += [f"x{i}" for i in range(n_variables)] + [f"x{i} =" for i in range(n_variables)]
    words += elements + [f"{operation} {e}" for operation in "+*-/" for e in elements]
    words += [str(value) for value in range(p)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(text.WORD), "removed", invert=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, eos_token=END
    )


def user_turn(tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    """A prompt as the model is to see it.

    If its tokenizer has a chat template, this is the user's turn up to where the model's begins;
    otherwise the prompt as it is.
    """
    if tokenizer.chat_template is None:
        return prompt
    said = [{"role": "user", "content": prompt.strip()}]
    turn = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    return cast(str, turn)  # not tokens, since it is not to tokenize


def encode(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """Token ids of texts, without special tokens.

    Raises StudyError naming the text with an unknown word: no model may train on <unk>.
    """
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    unknown = tokenizer.unk_token_id
    for text_, tokens in zip(texts, ids, strict=True):
        if unknown is not None and unknown in tokens:
            raise StudyError(f"the model's tokenizer does not know all words of {text_!r}")
    return ids
