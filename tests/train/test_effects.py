"""The paper's effects themselves, from two SFT models that were trained by the laptop tier.

tests/checkpoints holds F and FB after SFT with seed 100, which no reported number uses.
"""

from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import load_tier
from workflow_scripts.settings.rl import RlSettings
from workflow_scripts.task.baselines import guess_and_check
from workflow_scripts.task.datasets import draw_prompts, write_dataset
from workflow_scripts.task.mixes import PromptSingles
from workflow_scripts.train.grpo import run_grpo
from workflow_scripts.train.run_folder import RunFolder

pytestmark = pytest.mark.slow

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
STEPS, LAST = 40, 10
SETTINGS = load_tier("laptop")


@pytest.fixture(scope="module")
def rollouts(tmp_path_factory) -> dict[str, pd.DataFrame]:
    """The rollouts of 40 RL steps on problems as long as those of SFT."""
    folder = tmp_path_factory.mktemp("effects")
    prompts = folder / "prompts.jsonl"
    data = SETTINGS.data
    mix = PromptSingles(data.sft_steps.values(), data.rl_evaluation_share)
    write_dataset(prompts, {}, draw_prompts(SETTINGS.task, mix, 1024, 100, set()))
    rl = SETTINGS.rl.model_copy(update={"steps": STEPS, "scored_steps": []})
    settings = RlSettings(model=SETTINGS.model.trained, rl=rl)
    logs = {}
    for model in ("FB", "F"):
        run = RunFolder(folder / model, checkpoint_seconds=60)
        run_grpo(settings, 100, CHECKPOINTS / model, prompts, run)
        logs[model] = pd.read_csv(folder / model / "rollouts.csv")
    return logs


def share_fitting(log: pd.DataFrame) -> float:
    return log.loc[log["fits"], "n"].sum() / log["n"].sum()


def accuracy(log: pd.DataFrame) -> float:
    return log["correct"].sum() / log["n"].sum()


def test_rl_at_the_difficulty_of_sft_makes_fb_select_within_40_steps(rollouts):
    log = rollouts["FB"]
    first, last = log[log["step"] == 1], log[log["step"] > STEPS - LAST]
    assert 0.3 < share_fitting(first) < 0.8, "SFT taught both strategies for both types"
    for _, of_type in last.groupby("type"):
        assert share_fitting(of_type) > 0.9
        assert accuracy(of_type) > 0.85


def test_rl_leaves_f_at_guess_and_check_on_inversion(rollouts):
    log = rollouts["F"][rollouts["F"]["step"] > STEPS - LAST]
    inversion, evaluation = (log[log["type"] == type] for type in ("inversion", "evaluation"))
    task, steps = SETTINGS.task, SETTINGS.data.sft_steps.values()
    chance = [guess_and_check(task.form, task.field_size, n, task.response_words) for n in steps]
    assert accuracy(inversion) < sum(chance) / len(chance) + 0.1
    assert share_fitting(inversion) == 0
    assert accuracy(evaluation) > 0.9
