"""The study: its stages, the libraries under them, and what keeps its results true.

Imports go one way: common <- task <- settings <- model <- train, evaluate <- report <- experiments
<- plan <- cost <- operate. CONTRIBUTING.md has the map.
"""

import os

# Without this every trainer starts a thread that reports its use to the hub. That is nobody's wish
# on a cluster, and its look-up of the host crashes a process that sets its environment meanwhile.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Models are read from folders; model.fetch alone asks the hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# TRL warns that rollout functions may change: its version is pinned.
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
