"""Every table and figure: the experiment that it shows, and the files that it needs.

The workflow makes its rules and targets from this, so importing it draws in no plotting library.
"""

from dataclasses import dataclass, replace

from workflow_scripts.settings import Settings


@dataclass(frozen=True)
class Product:
    """What is shown of an experiment, and the files of it that this needs."""

    experiment: str
    caption: str
    evaluations: tuple[str, ...] = ("steps",)  # scores/<experiment>/<evaluation>.parquet
    training: str = ""  # training/<this>.parquet, the rollouts of RL
    sft: bool = False  # sft_validation/<experiment>.csv, the cross-entropy after SFT


ROBUSTNESS = "robustness"  # one table per axis of the experiment: robustness-rl.learning_rate
SELECTION = "selection"  # early versions, of the first seeds: selection-first-1

TABLES = {
    "table1": Product("main", "pass@1 after SFT and RL, by problem type"),
    "sft": Product("main", "The models after SFT, on problems as long as those of SFT", sft=True),
    "amplification": Product("amplification", "Strategies after RL on uneven mixes of types"),
    "composition": Product("composition", "pass@1 by number of parts", ("parts",)),
    "diversity": Product("diversity", "SFT with few backward solutions, then RL"),
    ROBUSTNESS: Product("robustness", "pass@1 with another value of {axis}", sft=True),
    "field13": Product("field13", "pass@1 after SFT and RL in another field, by problem type"),
    "longer": Product(
        "longer", "pass@1 by number of steps after RL on longer problems", ("steps", "longer")
    ),
}

FIGURES = {
    SELECTION: Product("main", "Strategy selection: FB during RL", ()),
    "routing": Product("main", "Strategies of FB by problem type"),
    "dynamics": Product(
        "main",
        "Accuracy and share of the fitting strategy during RL",
        ("checkpoints",),
        training="main",
    ),
    "time_scales": Product("main", "FB: selection is fast, improvement slow", (), training="main"),
    "accuracy": Product("main", "Accuracy after SFT and RL, by problem type"),
    "steps": Product("main", "Accuracy by number of steps"),
    "pass_at_k": Product("main", "pass@k before and after RL", ("pass_at_k",)),
    "amplification": Product("amplification", "Share of forward responses by RL prompt mix"),
    "composition": Product("composition", "Accuracy by number of parts", ("parts",)),
    "diversity": Product("diversity", "How little of a strategy is enough for selection"),
    "robustness": Product("robustness", "Accuracy with one setting changed at a time", sft=True),
    "field13": Product("field13", "Accuracy in another field, by problem type"),
    "longer": Product("longer", "Accuracy after RL on longer problems", ("steps", "longer")),
}

# What the claims are computed from, of each experiment that is enabled.
CLAIMED = {
    "main": Product("main", "C1-C6", ("steps", "pass_at_k"), training="main"),
    "amplification": Product("amplification", "C7"),
    "composition": Product("composition", "C8", ("parts",)),
    "robustness": Product("robustness", "C9", sft=True),
    "field13": Product("field13", "C9"),
    "longer": Product("longer", "C9", ("longer",)),
}


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
    products = _enabled(FIGURES, settings)
    if not settings.rl.scored_steps and "dynamics" in products:
        products["dynamics"] = replace(products["dynamics"], evaluations=())
    final = products.pop(SELECTION, None)
    if not final or "FB" not in settings.experiments.main.models:
        return products
    first = {
        f"{SELECTION}-first-{n}": replace(final, training=f"first-{n}")
        for n in range(1, len(settings.seeds))
    }
    return {**first, SELECTION: replace(final, training=f"first-{len(settings.seeds)}"), **products}


def target_name(prefix: str, name: str) -> str:
    """The target of a figure or table: fig_routing, table1, table_robustness_rl_group_size."""
    name = name if name.startswith(prefix) else f"{prefix}_{name}"
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def _enabled(products: dict[str, Product], settings: Settings) -> dict[str, Product]:
    experiments = settings.experiments
    return {
        name: product
        for name, product in products.items()
        if getattr(experiments, product.experiment).enabled
    }
