"""The word-level tokenizer of the offline base models: one token per word of the task's text.

An offline base model is a small model trained from scratch (see model.corpus). Other models use
their own tokenizers, for which this module also prepares prompts.
"""

from pathlib import Path
from typing import cast

from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from workflow_scripts.model.text_codec import Response, refuse_unknown
from workflow_scripts.task import text
from workflow_scripts.task.field import make_field

PAD, UNKNOWN, END = "<pad>", "<unk>", "<eos>"
# Words that occur only in the corpus of the base models.
LINE, UP, DOWN, BLANK, LIST_END = "line", "up", "down", "_", "end"


def make_tokenizer(p: int, n_variables: int) -> PreTrainedTokenizerFast:
    """Make the word-level tokenizer for GF(p) and the variables x0 .. x{n_variables-1}."""
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


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer exactly as tokenizer.json defines it.

    AutoTokenizer would choose a tokenizer class by the model's architecture, and so apply the rules
    of Qwen's tokenizer to every Qwen2 model.
    """
    return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


def user_turn(tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    """The prompt as the model reads it.

    If the tokenizer has a chat template, the prompt becomes a user message, followed by the start
    of the model's reply. Otherwise, the prompt is returned unchanged.
    """
    if tokenizer.chat_template is None:
        return prompt
    said = [{"role": "user", "content": prompt.strip()}]
    turn = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    return cast(str, turn)  # a string, because tokenize is False


def encode(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    """The token ids of each text, without special tokens.

    Raises StudyError, naming the text, if a word is not in the tokenizer's vocabulary: no model may
    be trained on the unknown token.
    """
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    refuse_unknown(texts, ids, tokenizer.unk_token_id)
    return ids


class TransformersCodec:
    """The codec (see model.text_codec) of any tokenizer that transformers knows."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer, self.end = tokenizer, tokenizer.eos_token_id

    def encode(self, prompts: list[str]) -> list[list[int]]:
        """The token ids of each prompt, as a user message if there is a chat template."""
        return encode(self.tokenizer, [user_turn(self.tokenizer, prompt) for prompt in prompts])

    def encode_responses(self, texts: list[str]) -> list[Response]:
        """The tokens of given responses, without a chat template, as in SFT."""
        ids = encode(self.tokenizer, texts)
        offsets = self.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
        return [
            Response([*tokens, self.end], [*(start for start, _ in spans), len(text)])
            for tokens, spans, text in zip(ids, offsets["offset_mapping"], texts, strict=True)
        ]

    def decode(self, completions: list[list[int]]) -> list[str]:
        """The text of each completion, without special tokens."""
        texts: list[str] = self.tokenizer.batch_decode(completions, skip_special_tokens=True)
        return texts
