"""The benchmark runs both trainers on the same prompts and prints their ratios."""

import re

import pytest

from tests.train.conftest import rl_settings
from workflow_scripts.cost.benchmark import compare

pytestmark = pytest.mark.slow


def test_the_page_has_seconds_and_ratios_of_rollouts_and_steps(tiny):
    settings = rl_settings("full", kl_coefficient=0.0)
    text = compare(settings, tiny.base, tiny.base, tiny.prompts, tiny.folder / "page.md")
    rows = re.findall(r"\| (.*, after \w+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", text)
    timed = ("rollouts, after SFT", "whole RL step, after SFT")
    assert [name for name, *_ in rows] == [*timed, *(name.replace("SFT", "RL") for name in timed)]
    assert all(float(ratio) > 0 for *_, ratio in rows)
