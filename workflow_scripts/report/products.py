"""Every table and figure: the experiment that it shows, and the files that it needs.

The workflow makes its rules and targets from this, so importing it draws in no plotting library.
"""

from dataclasses import dataclass, replace

from workflow_scripts.settings import Settings


@dataclass(frozen=True)
class Product:
    """Made from scores/<experiment>.parquet and, where it says so, from the other two files."""

    experiment: str
    caption: str
    training: bool = False  # training/<experiment>.parquet, the rollouts of RL
    sft: bool = False  # sft/<experiment>.csv, the validation cross-entropy after SFT


ROBUSTNESS = "robustness"  # one table per axis of the experiment: robustness-rl.learning_rate

TABLES = {
    "table1": Product("main", "pass@1 after SFT and RL, by problem type"),
    "sft": Product("main", "The models after SFT, on problems as long as those of SFT", sft=True),
    "amplification": Product("amplification", "Strategies after RL on uneven mixes of types"),
    "composition": Product("composition", "pass@1 by number of parts"),
    "diversity": Product("diversity", "SFT with few backward solutions, then RL"),
    ROBUSTNESS: Product("robustness", "pass@1 with another value of {axis}", sft=True),
    "field13": Product("field13", "pass@1 after SFT and RL in another field, by problem type"),
    "longer": Product("longer", "pass@1 by number of steps after RL on longer problems"),
}

FIGURES = {
    "routing": Product("main", "Strategies of FB by problem type"),
    "dynamics": Product(
        "main", "Accuracy and share of the fitting strategy during RL", training=True
    ),
    "time_scales": Product("main", "FB: selection is fast, improvement slow", training=True),
    "accuracy": Product("main", "Accuracy after SFT and RL, by problem type"),
    "steps": Product("main", "Accuracy by number of steps"),
    "pass_at_k": Product("main", "pass@k before and after RL"),
    "amplification": Product("amplification", "Share of forward responses by RL prompt mix"),
    "composition": Product("composition", "Accuracy by number of parts"),
    "diversity": Product("diversity", "How little of a strategy is enough for selection"),
    "robustness": Product("robustness", "Accuracy with one setting changed at a time", sft=True),
    "field13": Product("field13", "Accuracy in another field, by problem type"),
    "longer": Product("longer", "Accuracy after RL on longer problems"),
}

# The experiments whose files the claims are computed from, where they are enabled.
CLAIMS_SCORES = (
    "main",
    "amplification",
    "composition",
    "robustness",
    "field13",
    "longer",
)
CLAIMS_TRAINING = ("main",)
CLAIMS_SFT = ("robustness",)


def tables(settings: Settings) -> dict[str, Product]:
    """The tables of the enabled experiments by name."""
    products = _enabled(TABLES, settings)
    template = products.pop(ROBUSTNESS, None)
    if template:
        for axis in settings.experiments.robustness.axes:
            caption = template.caption.format(axis=axis)
            products[f"{ROBUSTNESS}-{axis}"] = replace(template, caption=caption)
    return products


def figures(settings: Settings) -> dict[str, Product]:
    """The figures of the enabled experiments by name, the most telling first."""
    return _enabled(FIGURES, settings)


def _enabled(products: dict[str, Product], settings: Settings) -> dict[str, Product]:
    experiments = settings.experiments
    return {
        name: product
        for name, product in products.items()
        if getattr(experiments, product.experiment).enabled
    }
