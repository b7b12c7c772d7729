"""The code of the study, one package for each concern.

A package may import those before it in this list: common, task, settings, model, train, evaluate,
report, experiments, plan, cost, operate. tests/test_house.py checks that; CONTRIBUTING.md has a
map.
"""

import os

# Without this, every trainer starts a thread that reports its use to the hub. The thread looks up
# the host, and that crashes the process if it changes its environment variables at the same time.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Models are read from folders; only model.fetch connects to the hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# TRL warns that rollout functions may change in a later version. Its version is pinned.
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
