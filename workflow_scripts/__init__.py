"""The code of the study, one package per concern.

A package may import only the packages before it in this list: common, task, settings, model, train,
evaluate, report, experiments, plan, cost, operate. tests/test_house.py checks this rule.
CONTRIBUTING.md describes the packages.
"""

import os
from pathlib import Path

# These variables are set for the study, which runs from a clone. An installed task library leaves
# them to the program that uses it, which may well load models from the hub.
if Path(__file__).parents[1].joinpath("Snakefile").is_file():
    # Without this variable, every TRL trainer starts a thread that reports its use to the Hugging
    # Face hub. The thread's host lookup crashes the process if environment variables change
    # meanwhile.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Models are read from folders; only model.fetch connects to the hub.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # Silence TRL's warning that the rollout-function API may change: TRL's version is pinned.
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
