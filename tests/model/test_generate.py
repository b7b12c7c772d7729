"""Both decode loops sample as plain ancestral sampling does."""

import pytest
import torch
from transformers import Qwen2ForCausalLM

from tests.model.conftest import BASE, CPU, LORA
from workflow_scripts.common.errors import StudyError
from workflow_scripts.model.draw import SamplingParameters, draw_tokens
from workflow_scripts.model.generate import (
    FAST,
    REFERENCE,
    fold_if_plain,
    generate,
    implementation,
    load_to_sample,
)
from workflow_scripts.model.qwen2 import Architecture
from workflow_scripts.model.shape import Shape
from workflow_scripts.model.store import add_lora, create_base_model, make_config, save_model

PROMPTS = [[5, 30, 31], [40], [22, 23, 24, 25, 26, 27, 28], [50, 51]]


LOOPS = (FAST, REFERENCE)


@pytest.fixture(params=LOOPS)
def policy(request, model):
    """The same model, for one of the decode loops."""
    return choose(model, request.param)


@torch.no_grad()
def choose(model, loop):
    policy = fold_if_plain(model, autocast=False) if loop == FAST else model
    assert implementation(policy) == loop
    return policy


def sample(
    policy, seed=0, n_samples=3, max_new_tokens=12, end=frozenset({2}), prompts=PROMPTS, **options
):
    generator = torch.Generator().manual_seed(seed)
    options = {"temperature": 1.0, **options}
    parameters = SamplingParameters(max_new_tokens, frozenset(end), **options)
    return generate(policy, prompts, n_samples, parameters, generator)


@torch.no_grad()
def next_token_distribution(model, tokens, temperature=1.0):
    logits = model(input_ids=torch.tensor([tokens])).logits[0, -1]
    return (logits.float() / temperature).softmax(-1)


def test_the_same_seed_gives_the_same_samples_and_another_seed_others(policy):
    assert sample(policy, seed=1) == sample(policy, seed=1)
    assert sample(policy, seed=1) != sample(policy, seed=2)


def test_a_completion_ends_with_its_first_end_token_or_at_the_limit(policy):
    ends = set(range(2, 40))
    completions = sample(policy, n_samples=50, end=ends)
    assert any(len(completion) < 12 for completion in completions)
    for completion in completions:
        assert ends.isdisjoint(completion[:-1])
        assert completion[-1] in ends or len(completion) == 12


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_first_and_second_tokens_follow_the_tempered_policy(model, policy, temperature):
    """Frequencies of 20,000 samples of ragged prompts against full forward passes."""
    n = 20_000
    completions = sample(
        policy, n_samples=n, max_new_tokens=2, end={2, 3, 4, 5}, temperature=temperature
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


def test_near_zero_temperature_is_greedy_decoding_although_rows_leave_the_batch(model, policy):
    ends = set(range(2, 12))
    completions = sample(policy, n_samples=2, temperature=1e-6, end=ends)
    for index, prompt in enumerate(PROMPTS):
        expected = []
        while len(expected) < 12 and not (expected and expected[-1] in ends):
            expected.append(int(next_token_distribution(model, prompt + expected).argmax()))
        assert completions[2 * index] == completions[2 * index + 1] == expected


def test_top_k_and_top_p_leave_the_unlikely_out(model, policy):
    distribution = next_token_distribution(model, PROMPTS[0])
    order = distribution.argsort(descending=True).tolist()
    first = {c[0] for c in sample(policy, n_samples=500, top_k=3)[:500]}
    assert first == set(order[:3])
    nucleus = int((distribution[order].cumsum(0) < 0.3).sum()) + 1
    first = {c[0] for c in sample(policy, n_samples=500, top_p=0.3)[:500]}
    assert first <= set(order[:nucleus])
    assert order[0] in first


def test_dropout_is_off_while_sampling_and_the_mode_is_put_back(model):
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.9
    expected = sample(model)
    model.train()
    assert sample(model) == expected
    assert model.training


@pytest.mark.parametrize(("n_prompts", "n_samples"), [(4, 1), (2, 8), (4, 16), (1, 64)])
def test_both_loops_draw_the_same_completions(model, n_prompts, n_samples):
    """If the fast loop samples all at once, and prompts come in its order: shortest first."""
    prompts = sorted(PROMPTS, key=len)[:n_prompts]
    options = {"prompts": prompts, "n_samples": n_samples, "end": set(range(2, 12))}
    fast, reference = (sample(choose(model, loop), **options) for loop in LOOPS)
    assert fast == reference
    assert len(set(map(len, fast))) > 2 or n_samples == 1


@pytest.mark.parametrize("n_samples", [1, 3, 64, 65, 128])
def test_the_fast_loop_returns_completions_in_the_order_of_the_prompts(model, n_samples):
    """At a temperature near 0, each prompt has one completion, in whatever order it is sampled."""
    options = {"n_samples": n_samples, "temperature": 1e-6, "end": set(range(2, 12))}
    fast, reference = (sample(choose(model, loop), **options) for loop in LOOPS)
    assert fast == reference
    assert len(set(map(tuple, fast))) == len(PROMPTS)


def test_padding_may_be_sampled_and_read(model, policy):
    """The padding token is a token like others: models draw it, if seldom."""
    with torch.no_grad():
        model.model.embed_tokens.weight[0] *= 3  # likely enough to be seen
    policy = choose(model, implementation(policy))
    completions = sample(policy, n_samples=300)
    assert any(0 in completion[:-1] for completion in completions)
    greedy = sample(policy, prompts=[[5, 0, 31], [0, 7]], n_samples=1, temperature=1e-6)
    assert greedy[0][0] == int(next_token_distribution(model, [5, 0, 31]).argmax())
    assert greedy[1][0] == int(next_token_distribution(model, [0, 7]).argmax())


def test_a_model_with_fewer_heads_of_keys_is_sampled_alike(tokenizer):
    torch.manual_seed(0)
    config = make_config(
        Shape(hidden_size=32, layers=2, heads=4, kv_heads=2, mlp_size=64, vocabulary=100),
        tokenizer,
        initializer_range=0.3,
    )
    model = Qwen2ForCausalLM(config).eval()
    options = {"prompts": sorted(PROMPTS, key=len), "n_samples": 8}
    fast, reference = (sample(choose(model, loop), **options) for loop in LOOPS)
    assert fast == reference


def test_drawn_tokens_follow_the_softmax():
    """Chi-square of 400,000 draws from 40 tokens, of which one is impossible and some are rare."""
    logits = torch.linspace(-9, 2, 40)
    logits[7] = -torch.inf
    expected = logits.double().softmax(0) * 400_000
    generator = torch.Generator().manual_seed(0)
    parameters = SamplingParameters(1, frozenset({2}), temperature=1.0)
    drawn = draw_tokens(logits.expand(400_000, -1), parameters, generator)
    observed = torch.bincount(drawn, minlength=40).double()
    assert observed[7] == 0
    counted = expected > 5
    chi_square = ((observed - expected) ** 2 / expected)[counted].sum().item()
    freedom = int(counted.sum()) - 1
    assert abs(chi_square - freedom) < 4 * (2 * freedom) ** 0.5


def test_logits_that_are_not_finite_are_refused():
    parameters = SamplingParameters(1, frozenset({2}), temperature=1.0)
    with pytest.raises(StudyError, match="diverged"):
        draw_tokens(torch.tensor([[0.0, torch.nan]]), parameters, torch.Generator())


@pytest.mark.parametrize("tied", [True, False])
def test_a_saved_model_is_loaded_as_the_model_in_training_is_folded(tokenizer, tmp_path, tied):
    torch.manual_seed(0)
    config = create_base_model(BASE, tokenizer).config
    config.tie_word_embeddings = tied
    model = Qwen2ForCausalLM(config)
    save_model(model, tokenizer, tmp_path)
    loaded, folded = load_to_sample(tmp_path, CPU), fold_if_plain(model, autocast=False)
    assert implementation(loaded) == FAST
    assert loaded.architecture == folded.architecture
    assert torch.equal(loaded.head, folded.head)
    for mine, expected in zip(loaded.blocks, folded.blocks, strict=True):
        assert all(map(torch.equal, mine, expected))


@pytest.mark.parametrize(
    "change",
    [
        {"use_sliding_window": True},
        {"hidden_act": "gelu"},
        {"attention_dropout": 0.1},
        {"model_type": "llama"},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}},
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        {"quantization_config": {"bits": 4}},
        {"num_key_value_heads": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_configuration_out_of_the_ordinary_is_not_plain(model, change):
    config = model.config.to_dict()
    assert Architecture.of(config) is not None
    assert Architecture.of({**config, **change}) is None


def test_adapters_other_numbers_and_autocast_are_left_to_transformers(model, tokenizer, tmp_path):
    save_model(model, tokenizer, tmp_path)
    rounded = CPU.model_copy(update={"dtype": "bfloat16"})
    assert implementation(load_to_sample(tmp_path, rounded)) == REFERENCE
    assert fold_if_plain(model, autocast=True) is None
    assert fold_if_plain(add_lora(model, LORA), autocast=False) is None
    assert fold_if_plain(create_base_model(BASE, tokenizer).bfloat16(), autocast=False) is None
