"""The fast update computes what transformers' model computes, as precisely."""

import copy

import pytest
import torch

from workflow_scripts.model import linear
from workflow_scripts.model.fast_score import score_completions
from workflow_scripts.model.generate import fold_if_plain
from workflow_scripts.model.shape import Shape
from workflow_scripts.model.store import make_config
from workflow_scripts.model.tokenizer import make_tokenizer

TEMPERATURE = 0.7


@pytest.fixture(params=["oneDNN", "fallback"], autouse=True)
def library(request, monkeypatch):
    if request.param == "fallback":
        monkeypatch.setattr(linear, "_ONEDNN", None)
    else:
        monkeypatch.setattr(linear, "_LARGE", 0)  # also for matrices as small as those here


@pytest.fixture(params=[4, 2], ids=["heads alike", "fewer heads of keys"])
def model(request):
    from transformers import Qwen2ForCausalLM

    torch.manual_seed(0)
    shape = Shape(32, layers=2, heads=4, kv_heads=request.param, mlp_size=64, vocabulary=100)
    config = make_config(shape, make_tokenizer(11, 18), initializer_range=0.2)
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:  # as after training, not all ones
                weight *= torch.rand_like(weight) + 0.5
    return model


def batch(n_prompts: int, group_size: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Groups of random completions of random lengths, in random order. <pad>, 0, is among them."""
    torch.manual_seed(1)
    prompts = [torch.randint(1, 100, (3 + 2 * index,)) for index in range(n_prompts)]
    rows = [
        (p, torch.randint(0, 100, (int(n),)))
        for p in prompts
        for n in torch.randint(1, 14, (group_size,))
    ]
    rows[0] = (rows[0][0], torch.tensor([7]))  # a completion of one token
    rows = [rows[index] for index in torch.randperm(len(rows))]
    n_prompt, n_new = (max(len(row[part]) for row in rows) for part in (0, 1))
    ids = torch.zeros(len(rows), n_prompt + n_new, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, (prompt, completion) in enumerate(rows):
        place = slice(n_prompt - len(prompt), n_prompt + len(completion))
        ids[row, place], mask[row, place] = torch.cat([prompt, completion]), 1
    return ids, mask, n_prompt


def reference(model, ids, mask, n_prompt) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and entropies by transformers' model, padded as TRL pads."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    output = model(input_ids=ids, attention_mask=mask, position_ids=positions)
    scores = (output.logits[:, n_prompt - 1 : -1] / TEMPERATURE).log_softmax(-1)
    chosen = scores.gather(2, ids[:, n_prompt:, None])[..., 0]
    real = mask[:, n_prompt:]
    return chosen * real, -(scores.exp() * scores).sum(-1) * real


def fast(model, ids, mask, n_prompt) -> tuple[torch.Tensor, torch.Tensor]:
    plain = fold_if_plain(model, autocast=False)
    return score_completions(plain, ids, mask, n_prompt, TEMPERATURE)


def with_gradient(score, model, ids, mask, n_prompt) -> list[torch.Tensor]:
    """Log-probabilities, entropies, and the gradient of a random weighting of the former."""
    torch.manual_seed(2)
    weights = torch.randn(len(ids), 1)
    model.zero_grad()
    logps, entropies = score(model, ids, mask, n_prompt)
    (logps * weights).sum().backward()
    gradient = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    return [x.detach().double() for x in (logps, entropies, gradient)]


def error(values: torch.Tensor, exact: torch.Tensor) -> float:
    return (values - exact).square().mean().sqrt().item()


@pytest.mark.parametrize(("n_prompts", "group_size"), [(5, 1), (4, 8), (1, 128), (3, 40)])
def test_values_and_gradients_are_as_precise_as_those_of_transformers(model, n_prompts, group_size):
    inputs = batch(n_prompts, group_size)
    exact = with_gradient(reference, copy.deepcopy(model).double(), *inputs)
    plain = with_gradient(reference, model, *inputs)
    mine = with_gradient(fast, model, *inputs)
    for values, theirs, expected in zip(mine, plain, exact, strict=True):
        assert values.shape == expected.shape
        assert error(values, expected) <= 2 * error(theirs, expected)
    assert mine[0][inputs[1][:, inputs[2] :] == 0].eq(0).all()


def test_the_input_embedding_of_padding_gets_no_gradient(model):
    """As in transformers. With tied embeddings, the output embedding of padding does get one."""
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    ids, mask, n_prompt = batch(4, 8)
    assert (ids[:, n_prompt:][mask[:, n_prompt:] == 1] == 0).any()
    for score in (reference, fast):
        with_gradient(score, model, ids, mask, n_prompt)
        assert model.model.embed_tokens.weight.grad[0].eq(0).all()
        assert model.lm_head.weight.grad[0].ne(0).any()
