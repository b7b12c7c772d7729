"""The benchmark runs both trainers on the same prompts and prints their ratios."""

import re

from tests.train.conftest import RL, model_settings
from workflow_scripts.train.benchmark import compare


def test_the_page_has_seconds_and_ratios_of_rollouts_and_steps(tiny):
    settings = {"model": model_settings("full"), "rl": {**RL, "kl_coefficient": 0.0}}
    text = compare(settings, tiny.base, tiny.prompts, tiny.folder / "page.md")
    rows = re.findall(r"\| (rollouts|whole RL step) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", text)
    assert [name for name, *_ in rows] == ["rollouts", "whole RL step"]
    (*_, rollouts), (*_, step) = rows
    assert float(rollouts) > 0
    assert float(step) > 0
