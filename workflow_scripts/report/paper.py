"""The paper's numbers, as fractions, each with a mark for the certainty of its source.

S: from the abstract, the paper's public page, reviews or summaries. N: from close readings by
others. docs/reconstruction.md has the details.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A number of the paper, and the mark (S or N) for the certainty of its source."""

    value: float
    mark: str


def _marked(mark: str, values: dict) -> dict:
    return {key: Known(value, mark) for key, value in values.items()}


_ROWS = {  # (model, stage): pass@1 in percent on all types, inversion, evaluation
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

# pass@1 on problems of 2-5 steps of both types, after SFT. The paper has one value for all models.
SFT_ACCURACY = Known(0.80, "S")

# Validation cross-entropy after SFT in nats per token, by (model, learning rate). A learning rate
# is given as a multiple of the paper's default, 2e-4. This project's models have another size and
# another default, so runs are compared at the same multiple.
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

# pass@1 on problems of 6-9 steps of both types, after RL(6-9) with one setting changed, by
# (model, condition). A condition is the changed setting with its value. For the RL learning rate
# 5e-5 the paper reports no number and says that training is unstable.
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
# As a multiple of the default RL learning rate: the paper's 5e-5 divided by its default 1e-5.
UNSTABLE_LEARNING_RATE = 5.0

SELECTION_STEPS = Known(40, "S")  # RL steps within which FB selects the fitting strategy
IMPROVEMENT_STEPS = 100  # RL steps: the paper's "hundreds" is read as at least 100
