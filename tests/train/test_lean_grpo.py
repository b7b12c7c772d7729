"""LeanGRPOTrainer computes what TRL's GRPOTrainer computes, with less work."""

from typing import get_args

import pytest
import torch
from trl import GRPOTrainer

from tests.model.conftest import CPU
from tests.train.conftest import rl_settings
from workflow_scripts.model.draw import SamplingParameters
from workflow_scripts.model.generate import generate
from workflow_scripts.model.store import load_model
from workflow_scripts.model.tokenizer import encode, load_tokenizer
from workflow_scripts.settings.rl import Rl
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.train import grpo
from workflow_scripts.train.grpo import RlInputs, Variant, make_trainer
from workflow_scripts.train.lean_grpo import LeanGRPOTrainer
from workflow_scripts.train.losses import LOSSES
from workflow_scripts.train.rollout_log import RolloutLog

N_COMPLETIONS = 80  # more than are scored together
OF_TRL = ("grpo", "dr_grpo", "dapo")


def make(tiny, trainer_class, **changes):
    inputs, output = RlInputs(tiny.base, tiny.prompts), tiny.folder / "out"
    settings, variant = rl_settings("full", **changes), Variant(trainer_class)
    return make_trainer(settings, 0, inputs, RolloutLog(), output, variant)


def make_for_a_loss(tiny, trainer_class, **changes):
    trainer = make(tiny, trainer_class, **changes)
    trainer.current_gradient_accumulation_steps = 2
    return trainer


@pytest.fixture
def batch(tiny) -> dict:
    """What TRL hands to its loss: prompts padded left, completions right, all of ragged lengths."""
    tokenizer = load_tokenizer(tiny.base)
    prompts = encode(tokenizer, [row["prompt"] for row in read_dataset(tiny.prompts)])
    n_samples = N_COMPLETIONS // len(prompts)
    generator = torch.Generator().manual_seed(1)
    parameters = SamplingParameters(12, frozenset(range(2, 12)), temperature=1.0)
    completions = generate(load_model(tiny.base, CPU), prompts, n_samples, parameters, generator)
    assert len(set(map(len, completions))) > 3

    def padded(rows, left: bool):
        width = max(map(len, rows))
        fill = [[0] * (width - len(row)) for row in rows]
        ids = [f + r if left else r + f for f, r in zip(fill, rows, strict=True)]
        ones = [[1] * len(row) for row in rows]
        mask = [f + o if left else o + f for f, o in zip(fill, ones, strict=True)]
        return torch.tensor(ids), torch.tensor(mask)

    repeated = [prompt for prompt in prompts for _ in range(n_samples)]
    prompt_ids, prompt_mask = padded(repeated, left=True)
    completion_ids, completion_mask = padded(completions, left=False)
    advantages = torch.randn(len(completions), generator=generator)
    advantages[: len(advantages) // 2] = 0  # groups of equal rewards
    return {
        "prompt_ids": prompt_ids,
        "prompt_mask": prompt_mask,
        "completion_ids": completion_ids,
        "completion_mask": completion_mask,
        "advantages": advantages,
        "ref_per_token_logps": torch.randn(completion_ids.shape, generator=generator) - 4,
        "num_items_in_batch": completion_mask.sum(),
    }


def loss_and_gradient(trainer, batch: dict) -> tuple[float, torch.Tensor]:
    model = trainer.model.train()
    model.zero_grad()
    loss = trainer._compute_loss(model, dict(batch))
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten() for p in model.parameters()])


def test_every_loss_of_the_configuration_is_a_function():
    assert set(LOSSES) == set(get_args(Rl.model_fields["loss_type"].annotation))


@pytest.mark.parametrize("kl_coefficient", [0.0, 0.05])
@pytest.mark.parametrize("loss_type", OF_TRL)
@pytest.mark.parametrize("all_equal", [False, True])
def test_loss_and_gradient_are_those_of_trl(tiny, batch, kl_coefficient, loss_type, all_equal):
    if all_equal:
        batch["advantages"].zero_()
    (loss, gradient), (expected_loss, expected) = (
        loss_and_gradient(
            make_for_a_loss(tiny, kind, kl_coefficient=kl_coefficient, loss_type=loss_type), batch
        )
        for kind in (LeanGRPOTrainer, GRPOTrainer)
    )
    assert loss == pytest.approx(expected_loss, abs=1e-6)
    assert torch.allclose(gradient, expected, atol=1e-5 * max(1.0, float(expected.abs().max())))
    assert (expected == 0).all() == (all_equal and not kl_coefficient)


def test_log_probabilities_and_entropies_are_those_of_trl(tiny, batch):
    scores = []
    for kind in (LeanGRPOTrainer, GRPOTrainer):
        trainer = make_for_a_loss(tiny, kind)
        ids, mask = (
            torch.cat([batch[f"prompt_{what}"], batch[f"completion_{what}"]], dim=1)
            for what in ("ids", "mask")
        )
        width = batch["completion_ids"].shape[1]
        with torch.no_grad():
            scores.append(
                trainer._get_per_token_logps_and_entropies(
                    trainer.model, ids, mask, width, compute_entropy=True
                )[:2]
            )
    real = batch["completion_mask"].bool()
    for mine, plain in zip(*scores, strict=True):
        assert mine.shape == plain.shape
        assert torch.allclose(mine[real], plain[real], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kl_coefficient", [0.0, 0.05])
def test_training_moves_the_weights_as_trl_does(tiny, kl_coefficient, monkeypatch):
    monkeypatch.setattr(grpo, "outcome_reward", lambda problem, text, complete: len(text) % 2)
    trained = []
    for kind in (LeanGRPOTrainer, GRPOTrainer):
        # SGD: Adam's first steps are signs of gradients, which rounding decides where they are 0.
        trainer = make(tiny, kind, kl_coefficient=kl_coefficient, steps=2)
        trainer.optimizer = torch.optim.SGD(trainer.model.parameters(), lr=0.1)
        before = torch.cat([p.detach().flatten().clone() for p in trainer.model.parameters()])
        trainer.train()
        after = torch.cat([p.detach().flatten() for p in trainer.model.parameters()])
        trained.append(after - before)
    mine, plain = trained
    assert plain.abs().max() > 1e-4
    assert torch.allclose(mine, plain, atol=1e-4 * float(plain.abs().max()))
