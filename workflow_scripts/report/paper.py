"""What the paper reports, as fractions, with how certain that is (see docs/reconstruction.md).

S: the abstract, its record, public reviews and summaries. N: secondary close readings.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    value: float
    mark: str  # S or N


def _marked(mark: str, values: dict) -> dict:
    return {key: Known(value, mark) for key, value in values.items()}


_ROWS = {  # model, stage: all, inversion, evaluation, in percent
    ("B", "SFT"): (24.5, 38.9, 11.9),
    ("B", "RL(2-5)"): (18.4, 25.6, 10.1),
    ("B", "RL(6-9)"): (50.8, 96.0, 11.6),
    ("F", "SFT"): (57.0, 10.7, 97.1),
    ("F", "RL(2-5)"): (48.0, 9.3, 91.7),
    ("F", "RL(6-9)"): (58.3, 11.0, 99.3),
    ("FB", "SFT"): (47.0, 27.1, 64.3),
    ("FB", "RL(2-5)"): (60.0, 32.2, 91.5),
    ("FB", "RL(6-9)"): (95.7, 94.1, 97.1),
}
# pass@1 on problems of 6-9 steps, by (model, stage, type).
TABLE1 = _marked(
    "N",
    {
        (*run, type): round(percent / 100, 3)
        for run, row in _ROWS.items()
        for type, percent in zip(("all", "inversion", "evaluation"), row, strict=True)
    },
)

# pass@1 on problems of 2-5 steps after SFT, any of the models, both types.
SFT_ACCURACY = Known(0.80, "S")

# Validation cross-entropy after SFT, nats per token, by model and learning rate, as a multiple of
# the main one, which is 2e-4: a model of another size has another good rate.
CROSS_ENTROPY = _marked(
    "N",
    {
        (model, multiple): nats
        for model, row in {
            "B": (0.0856, 0.0859, 0.0863),
            "F": (0.0857, 0.0858, 0.0862),
            "FB": (0.0879, 0.0879, 0.0884),
        }.items()
        for multiple, nats in zip((0.5, 1.0, 2.5), row, strict=True)
    },
)

# pass@1 on problems of 6-9 steps of both types after RL(6-9) with one setting changed, by
# (model, condition). lr 5e-5 is only called unstable.
ROBUSTNESS = _marked(
    "N",
    {
        (model, condition): percent / 100
        for condition, row in {
            "default": (53, 60, 97),
            "rl.learning_rate=1e-05": (53, 60, 97),
            "rl.group_size=8": (53, 60, 97),
            "rl.kl_coefficient=0.05": (53, 60, 97),
            "rl.kl_coefficient=0.1": (53, 58, 96),
            "rl.group_size=16": (58, 51, 98),
        }.items()
        for model, percent in zip(("B", "F", "FB"), row, strict=True)
    },
)
UNSTABLE_LEARNING_RATE = 5.0  # times the study's own: 5e-5 against 1e-5

# RL steps within which FB selects its strategy.
SELECTION_STEPS = Known(40, "S")
IMPROVEMENT_STEPS = 100  # "hundreds" are at least this many
