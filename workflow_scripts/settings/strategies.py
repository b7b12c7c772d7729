"""The models of the paper, named by the strategies in their SFT data: F(orward), B(ackward), FB."""

from typing import Literal

ModelName = Literal["F", "B", "FB"]

# The share of backward solutions in the SFT data of each model.
BACKWARD_SHARE: dict[str, float] = {"F": 0.0, "B": 1.0, "FB": 0.5}


def percent(share: float) -> str:
    """A share in percent, as written in names of runs, data and conditions: 0.125 becomes 12.5."""
    return f"{100 * share:g}"


def model_of_share(backward_share: float) -> str:
    """The name of the model with a share of backward solutions: F, B, FB, or back10 for 0.1."""
    names = {share: model for model, share in BACKWARD_SHARE.items()}
    return names.get(backward_share, f"back{percent(backward_share)}")
