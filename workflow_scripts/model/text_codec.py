"""Prompts as token ids and completions as text, for jobs that only sample.

A model without a chat template needs no more than its tokenizer.json, which the package tokenizers
reads at once. Importing transformers would take longer than the rest of such a job's start.
"""

from pathlib import Path
from typing import NamedTuple, Protocol

from tokenizers import Tokenizer

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json


def refuse_unknown(texts: list[str], ids: list[list[int]], unknown: int | None) -> None:
    """Raise StudyError, naming the text, if its token ids have the token for unknown words."""
    for text, tokens in zip(texts, ids, strict=True):
        if unknown is not None and unknown in tokens:
            raise StudyError(f"the model's tokenizer does not know all words of {text!r}")


class Response(NamedTuple):
    """A given response: its token ids with the end token, and the character each begins at."""

    ids: list[int]
    starts: list[int]


class TextCodec(Protocol):
    """Translates between text and token ids."""

    end: int
    """The token that ends a response."""

    def encode(self, prompts: list[str]) -> list[list[int]]:
        """The token ids of each prompt as the model reads it.

        Raises StudyError, naming the prompt, if a word is not in the vocabulary.
        """
        ...

    def encode_responses(self, texts: list[str]) -> list[Response]:
        """The tokens of given responses, as in SFT. Raises StudyError as encode does."""
        ...

    def decode(self, completions: list[list[int]]) -> list[str]:
        """The text of each completion, without special tokens."""
        ...


class PlainCodec:
    """The codec of a tokenizer.json. end and unknown (None if there is none) are its tokens."""

    def __init__(self, path: Path, end: str, unknown: str | None) -> None:
        self.tokenizer = Tokenizer.from_file(str(path))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        found = self.tokenizer.token_to_id(end)
        if found is None:
            raise StudyError(f"{path}: the token {end}, which ends responses, is not in it")
        self.end = found
        self.unknown = None if unknown is None else self.tokenizer.token_to_id(unknown)

    def encode(self, prompts: list[str]) -> list[list[int]]:
        """See TextCodec."""
        encoded = self.tokenizer.encode_batch(prompts, add_special_tokens=False)
        ids = [encoding.ids for encoding in encoded]
        refuse_unknown(prompts, ids, self.unknown)
        return ids

    def encode_responses(self, texts: list[str]) -> list[Response]:
        """See TextCodec."""
        encoded = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        refuse_unknown(texts, [encoding.ids for encoding in encoded], self.unknown)
        return [
            Response([*e.ids, self.end], [*(start for start, _ in e.offsets), len(text)])
            for text, e in zip(texts, encoded, strict=True)
        ]

    def decode(self, completions: list[list[int]]) -> list[str]:
        """See TextCodec."""
        texts: list[str] = self.tokenizer.decode_batch(completions, skip_special_tokens=True)
        return texts


def load_codec(folder: Path) -> TextCodec:
    """The codec of a model, from its folder."""
    tokenizer, settings = folder / "tokenizer.json", folder / "tokenizer_config.json"
    if settings.is_file() and not (folder / "chat_template.jinja").is_file():
        named = read_json(settings)
        # What transformers adds to tokenizer.json.
        adds = ("chat_template", "added_tokens_decoder", "clean_up_tokenization_spaces")
        end, unknown = named.get("eos_token"), named.get("unk_token")
        if isinstance(end, str) and not any(named.get(each) for each in adds):
            return PlainCodec(tokenizer, end, unknown)
    from workflow_scripts.model.tokenizer import TransformersCodec, load_tokenizer

    return TransformersCodec(load_tokenizer(folder))
