"""Supervised training: what is learnt, in which order, and how well."""

import math
from random import Random

import pytest
import torch

from tests.model.conftest import CPU
from workflow_scripts.model.store import load_model
from workflow_scripts.train.supervised import cross_entropy, make_example, order_batches


def test_labels_cover_what_is_to_be_learnt_and_the_end():
    example = make_example([([5, 6], False), ([7], True), ([8], False), ([9], True)], end=2)
    assert example["input_ids"] == [5, 6, 7, 8, 9, 2]
    assert example["labels"] == [-100, -100, 7, -100, 9, 2]


@pytest.mark.parametrize(("n", "batch_size"), [(100, 10), (103, 10), (2048, 32), (5, 8)])
def test_order_holds_whole_batches_without_repetition(n, batch_size):
    lengths = [Random(i).randrange(5, 100) for i in range(n)]
    order = order_batches(lengths, batch_size, Random(0))
    assert len(order) == len(set(order)) == n // batch_size * batch_size
    assert set(order) <= set(range(n))


def test_batches_hold_examples_of_similar_length():
    lengths = [Random(i).randrange(5, 100) for i in range(1024)]
    order = order_batches(lengths, 32, Random(0))
    batches = [[lengths[i] for i in order[s : s + 32]] for s in range(0, 1024, 32)]
    padded = sum(max(batch) * 32 for batch in batches)
    assert padded < 1.15 * sum(lengths)


def test_the_seed_decides_the_order_and_the_short_do_not_come_first():
    lengths = list(range(1024))
    order = order_batches(lengths, 32, Random(0))
    assert order == order_batches(lengths, 32, Random(0))
    assert order != order_batches(lengths, 32, Random(1))
    means = [sum(order[s : s + 32]) / 32 for s in range(0, 1024, 32)]
    assert means != sorted(means)


@pytest.mark.parametrize("pad", [0, 2])
def test_cross_entropy_is_the_mean_over_learnt_tokens_whatever_the_padding(tiny, pad):
    model = load_model(tiny.base, CPU).eval()
    examples = [
        make_example([([5, 6], False), (list(range(7, 7 + n)), True)], 2) for n in (1, 9, 4)
    ]
    total, n_tokens = 0.0, 0
    for example in examples:
        ids, labels = torch.tensor(example["input_ids"]), example["labels"]
        with torch.no_grad():
            log_probabilities = model(input_ids=ids[None]).logits[0].log_softmax(-1)
        for position, label in enumerate(labels):
            if label != -100:
                total -= log_probabilities[position - 1, label].item()
                n_tokens += 1
    loss, counted = cross_entropy(model, examples, batch_size=2, pad=pad)
    assert counted == n_tokens == 17
    assert math.isclose(loss, total / n_tokens, rel_tol=1e-5)
