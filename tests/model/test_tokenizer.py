"""The word-level tokenizer: one token a word, all of the task known, nothing unknown passes."""

from random import Random

import pytest

from tests.conftest import ROOT
from workflow_scripts.common.errors import StudyError
from workflow_scripts.model.text_codec import PlainCodec, load_codec
from workflow_scripts.model.tokenizer import (
    TransformersCodec,
    encode,
    load_tokenizer,
    make_tokenizer,
)
from workflow_scripts.task.problems import PROBLEM_TYPES, draw_problem
from workflow_scripts.task.reward import is_correct
from workflow_scripts.task.solutions import STRATEGIES, write_solution
from workflow_scripts.task.text import COMPACT, count_words


@pytest.mark.parametrize("p", [11, 13])
def test_a_token_is_a_word_and_decoding_gives_the_same_words(p):
    tokenizer, rng = make_tokenizer(p, 18), Random(0)
    for _ in range(300):
        problem = draw_problem(rng, p, rng.choice(PROBLEM_TYPES), rng.randrange(1, 6), 18)
        solution = write_solution(COMPACT, problem, rng.choice([*STRATEGIES]), rng, 80)
        texts = [COMPACT.prompt(problem, show_field_map=True), solution]
        for text, ids in zip(texts, encode(tokenizer, texts), strict=True):
            assert len(ids) == count_words(text)
            assert tokenizer.decode(ids).split() == text.split()
        assert is_correct(problem, tokenizer.decode(encode(tokenizer, [solution])[0]))


def test_an_unknown_word_is_refused_by_its_text():
    with pytest.raises(StudyError, match="x99 = e1"):
        encode(make_tokenizer(11, 18), ["ans e1", "x99 = e1"])


def test_the_same_field_gives_the_same_vocabulary():
    assert make_tokenizer(11, 18).get_vocab() == make_tokenizer(11, 18).get_vocab()


def test_sampling_jobs_read_and_write_text_as_transformers_does():
    folder = ROOT / "data/base/gf11/model"
    plain, chat = load_codec(folder), TransformersCodec(load_tokenizer(folder))
    assert isinstance(plain, PlainCodec)
    assert plain.end == chat.end
    rng = Random(0)
    problems = [draw_problem(rng, 11, kind, 4, 18) for kind in PROBLEM_TYPES for _ in range(20)]
    prompts = [COMPACT.prompt(problem, show_field_map=False) for problem in problems]
    assert plain.encode(prompts) == chat.encode(prompts)
    completions = [rng.choices(range(118), k=40) for _ in range(100)]  # special tokens among them
    assert plain.decode(completions) == chat.decode(completions)
    for codec in (plain, chat):
        with pytest.raises(StudyError, match="x99 = e1"):
            codec.encode(["x99 = e1"])
