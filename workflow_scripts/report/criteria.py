"""The paper's claims, and the rule by which each measured quantity is judged.

A rule bounds a quantity from the paper's statement and is applied to the interval, never to the
value alone. The numbers here were chosen before the reported run and are not moved to pass.
"""

from dataclasses import dataclass

from workflow_scripts.report import paper
from workflow_scripts.report.paper import TABLE1

REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
_FROM_WORST = (NOT_REPRODUCED, INCONCLUSIVE, REPRODUCED)

# The paper says "~": read as within 5 points. A change within 5 points is none.
MARGIN = 0.05


def worst(verdicts: list[str]) -> str:
    return min(verdicts, key=_FROM_WORST.index)


@dataclass(frozen=True)
class Rule:
    """The quantity lies above low and below high, where those are given."""

    reason: str
    low: float = float("-inf")
    high: float = float("inf")

    def verdict(self, ci_low: float, ci_high: float) -> str:
        """Reproduced if the interval lies wholly within the bounds, not if wholly outside.

        An interval of NaN, not measured, is inconclusive.
        """
        if self.low < ci_low and ci_high < self.high:
            return REPRODUCED
        if ci_high <= self.low or ci_low >= self.high:
            return NOT_REPRODUCED
        return INCONCLUSIVE

    def __str__(self) -> str:
        bounds = []
        if self.low > float("-inf"):
            bounds.append(f"above {self.low:.4g}")
        if self.high < float("inf"):
            bounds.append(f"below {self.high:.4g}")
        return f"interval {' and '.join(bounds)}: {self.reason}" if bounds else self.reason


@dataclass(frozen=True)
class Claim:
    statement: str
    shown_in: tuple[str, ...]


CLAIMS = {
    "C1": Claim(
        "Selection: FB reaches about 95 % after RL, F and B about 50-60 %, all from a comparable "
        "start after SFT.",
        ("tables/table1", "tables/sft", "figures/accuracy"),
    ),
    "C2": Claim(
        "Routing: RL makes FB use forward on evaluation and backward on inversion.",
        ("figures/routing",),
    ),
    "C3": Claim(
        "Improvement needs harder data: RL at SFT's difficulty brings F and B no generalization to "
        "longer problems, and FB selection only; RL on harder problems brings both.",
        ("tables/table1", "figures/steps", "figures/dynamics"),
    ),
    "C4": Claim(
        "Time scales: selection within about 40 RL steps, improvement over hundreds.",
        ("figures/time_scales",),
    ),
    "C5": Claim(
        "pass@k: RL concentrates on strategies that are already present.", ("figures/pass_at_k",)
    ),
    "C6": Claim(
        "No new strategy: a model never shown a strategy does not acquire it through RL; its "
        "accuracy on the other type stays at chance.",
        ("tables/table1", "figures/accuracy", "figures/pass_at_k"),
    ),
    "C7": Claim(
        "Amplification is a consequence of selection: the share of forward responses follows the "
        "share of evaluation among the RL prompts.",
        ("tables/amplification", "figures/amplification"),
    ),
    "C8": Claim(
        "Composition is a consequence of improvement: RL on 3-5 parts extends composition only if "
        "SFT held examples of 2 parts.",
        ("tables/composition", "figures/composition"),
    ),
    "C9": Claim(
        "Robustness: the results hold for other learning rates (a high one in RL is unstable), KL "
        "coefficients, group sizes and field sizes, and FB improves on 6-15 steps.",
        ("figures/robustness", "tables/field13", "figures/field13", "figures/longer"),
    ),
}


def _table1(model: str, stage: str, type: str = "all") -> float:
    return TABLE1[model, stage, type].value


_BEST_SINGLE = max(_table1("F", "RL(6-9)"), _table1("B", "RL(6-9)"))
PAPER_GAP = _table1("FB", "RL(6-9)") - _BEST_SINGLE
_ROBUST_GAPS = [
    paper.ROBUSTNESS["FB", condition].value
    - max(paper.ROBUSTNESS["F", condition].value, paper.ROBUSTNESS["B", condition].value)
    for condition in ("default", "rl.kl_coefficient=0.1", "rl.group_size=16")
]

NEAR_PERFECT = Rule('the paper\'s "about 95 %", read as within 5 points', low=0.95 - MARGIN)
SINGLE = Rule(
    'the paper\'s "about 50-60 %", read as within 5 points', low=0.5 - MARGIN, high=0.6 + MARGIN
)
GAP = Rule(f"half of the paper's gap of {PAPER_GAP:.3f}", low=PAPER_GAP / 2)
COMPARABLE = Rule("the paper calls 70-80 % on GF(13) comparable too, a spread of 0.10", high=0.10)
FITTING = Rule(
    "the paper's 97.1 and 94.1 % need the fitting strategy in about 97 and 93 % of responses, as "
    "the other one is right by chance only; 0.95 is their mean",
    low=0.95,
)
RISES = Rule("the statement is that it rises", low=0.0)
NO_GAIN = Rule("a change within 5 points is none", high=MARGIN)
NO_CHANGE = Rule("a change within 5 points is none", low=-MARGIN, high=MARGIN)
GAIN = Rule("a change within 5 points is none", low=MARGIN)
SELECTION_STEP = Rule('the paper\'s "within about 40 steps"', high=paper.SELECTION_STEPS.value)
IMPROVEMENT_STEP = Rule(
    'the paper\'s "over hundreds of steps", at least one hundred', low=paper.IMPROVEMENT_STEPS
)
TIME_RATIO = Rule(
    "at least one hundred steps against 40",
    low=paper.IMPROVEMENT_STEPS / paper.SELECTION_STEPS.value,
)
SHRINKS = Rule(
    "what RL concentrates on is found by SFT in many samples, so its gain shrinks", low=0
)
HELD_BY_SFT = Rule("SFT holds in many samples what RL answers in one, within 5 points", low=-MARGIN)
CHANCE = Rule("at chance within 5 points", high=MARGIN)
NOT_ACQUIRED = Rule("none of its responses use the strategy, within 5 points", high=MARGIN)
ROBUST_GAP = Rule(
    f"half of the smallest gap of the paper's variants, {min(_ROBUST_GAPS):.2f}",
    low=min(_ROBUST_GAPS) / 2,
)
UNSTABLE = Rule(
    "unstable in the paper at 5 times its own learning rate: below the default by over 5 points",
    high=-MARGIN,
)
SAME_LOSS = Rule(
    "the paper's cross-entropies differ by up to 1 %; within 10 % is the same", low=0.9, high=1.1
)
