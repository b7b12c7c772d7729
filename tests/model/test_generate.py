"""The decode loop samples as plain ancestral sampling does."""

import pytest
import torch

from workflow_scripts.model.draw import SamplingParameters
from workflow_scripts.model.generate import generate

PROMPTS = [[5, 30, 31], [40], [22, 23, 24, 25, 26, 27, 28], [50, 51]]


def sample(model, seed=0, n_samples=3, max_new_tokens=12, end=frozenset({2}), **options):
    generator = torch.Generator().manual_seed(seed)
    options = {"temperature": 1.0, **options}
    parameters = SamplingParameters(max_new_tokens, frozenset(end), **options)
    return generate(model, PROMPTS, n_samples, parameters, generator)


@torch.no_grad()
def next_token_distribution(model, tokens, temperature=1.0):
    logits = model(input_ids=torch.tensor([tokens])).logits[0, -1]
    return (logits.float() / temperature).softmax(-1)


def test_the_same_seed_gives_the_same_samples_and_another_seed_others(model):
    assert sample(model, seed=1) == sample(model, seed=1)
    assert sample(model, seed=1) != sample(model, seed=2)


def test_a_completion_ends_with_its_first_end_token_or_at_the_limit(model):
    ends = set(range(2, 40))
    completions = sample(model, n_samples=50, end=ends)
    assert any(len(completion) < 12 for completion in completions)
    for completion in completions:
        assert ends.isdisjoint(completion[:-1])
        assert completion[-1] in ends or len(completion) == 12


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_first_and_second_tokens_follow_the_tempered_policy(model, temperature):
    """Frequencies of 20,000 samples of ragged prompts against full forward passes."""
    n = 20_000
    completions = sample(
        model, n_samples=n, max_new_tokens=2, end={2, 3, 4, 5}, temperature=temperature
    )
    for index, prompt in enumerate(PROMPTS):
        mine = completions[index * n : (index + 1) * n]
        expected = next_token_distribution(model, prompt, temperature)
        observed = torch.bincount(torch.tensor([c[0] for c in mine]), minlength=len(expected)) / n
        assert torch.allclose(observed, expected, atol=0.015)
        likeliest = int(expected[6:].argmax()) + 6  # one that does not end the completion
        seconds = [c[1] for c in mine if c[0] == likeliest]
        expected = next_token_distribution(model, [*prompt, likeliest], temperature)
        observed = torch.bincount(torch.tensor(seconds), minlength=len(expected)) / len(seconds)
        assert torch.allclose(observed, expected, atol=4 / len(seconds) ** 0.5)


def test_near_zero_temperature_is_greedy_decoding_although_rows_leave_the_batch(model):
    ends = set(range(2, 12))
    completions = sample(model, n_samples=2, temperature=1e-6, end=ends)
    for index, prompt in enumerate(PROMPTS):
        expected = []
        while len(expected) < 12 and not (expected and expected[-1] in ends):
            expected.append(int(next_token_distribution(model, prompt + expected).argmax()))
        assert completions[2 * index] == completions[2 * index + 1] == expected


def test_top_k_and_top_p_leave_the_unlikely_out(model):
    distribution = next_token_distribution(model, PROMPTS[0])
    order = distribution.argsort(descending=True).tolist()
    first = {c[0] for c in sample(model, n_samples=500, top_k=3)[:500]}
    assert first == set(order[:3])
    nucleus = int((distribution[order].cumsum(0) < 0.3).sum()) + 1
    first = {c[0] for c in sample(model, n_samples=500, top_p=0.3)[:500]}
    assert first <= set(order[:nucleus])
    assert order[0] in first


def test_dropout_is_off_while_sampling_and_the_mode_is_put_back(model):
    model.config.attention_dropout = 0.9
    expected = sample(model)
    model.train()
    assert sample(model) == expected
    assert model.training
