"""What the claims are judged by: the quantities of each claim, measured on an experiment."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from workflow_scripts.common.errors import StudyError
from workflow_scripts.evaluate.curves import measure_time_scales
from workflow_scripts.evaluate.metrics import Group
from workflow_scripts.evaluate.statistics import (
    Estimate,
    guess_and_check_pass_at_k,
    interval,
    ratio,
)
from workflow_scripts.report import rules
from workflow_scripts.report.criteria import Rule
from workflow_scripts.report.inputs import FITTING_TYPE, OTHER_TYPE, SFT, Inputs, rl_stage
from workflow_scripts.report.paper import (
    CROSS_ENTROPY,
    ROBUSTNESS,
    SELECTION_STEPS,
    TABLE1,
    UNSTABLE_LEARNING_RATE,
)
from workflow_scripts.report.tables import largest_difference
from workflow_scripts.settings.values import Range
from workflow_scripts.task.problems import EVALUATION, INVERSION, PROBLEM_TYPES
from workflow_scripts.task.solutions import FITTING_STRATEGY

NOT_MEASURED = Estimate(math.nan, math.nan, math.nan, 0, 0, 0)


@dataclass(frozen=True)
class Quantity:
    """One measured number of a claim. estimate is NOT_MEASURED where the runs are missing.

    Its n counts problems; where it is not about problems, RL rollouts or tokens.
    """

    name: str
    rule: Rule
    estimate: Estimate = NOT_MEASURED
    paper: float | None = None

    @property
    def verdict(self) -> str:
        return self.rule.verdict(self.estimate.ci_low, self.estimate.ci_high)

    def to_json(self) -> dict:
        numbers = {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(self.estimate).items()
        }
        note = "" if numbers["ci_low"] is not None else "no interval"
        if numbers["value"] is None:
            note = "undefined on these data" if self.estimate.n_seeds else "not measured"
        return {
            "name": self.name,
            "value": numbers["value"],
            "ci_low": numbers["ci_low"],
            "ci_high": numbers["ci_high"],
            "n": numbers["n_problems"] or numbers["n_samples"],
            "n_seeds": numbers["n_seeds"],
            "n_samples": numbers["n_samples"],
            "paper": self.paper,
            "rule": str(self.rule),
            "verdict": self.verdict,
            "note": note,
        }


def _quantity(
    name: str,
    rule: Rule,
    groups: list[Group | None],
    statistic: Callable[..., np.ndarray],
    paper: float | None = None,
    **selection,
) -> Quantity:
    """Measure statistic(*vectors of groups); selection (type, steps, parts) says on what."""
    if any(group is None for group in groups):
        return Quantity(name, rule, paper=paper)
    designs = {(group.seeds, tuple(group.strata["n_problems"])) for group in groups}
    if len(designs) > 1:
        raise StudyError(f"{name}: the runs do not share their seeds and problems")
    estimate = groups[0].summarize(statistic(*groups), **selection)
    return Quantity(name, rule, estimate, paper)


def _known(model: str, stage: str, type: str = "all") -> float | None:
    known = TABLE1.get((model, stage, type))
    return known.value if known else None


def _known_change(model: str, stage: str, before: str, type: str = "all") -> float | None:
    values = _known(model, stage, type), _known(model, before, type)
    return None if None in values else round(values[0] - values[1], 3)


def _change(
    name: str,
    rule: Rule,
    after: Group | None,
    before: Group | None,
    measure: str = "pass@1",
    paper: float | None = None,
    **selection,
) -> Quantity:
    def difference(after, before):
        return after.vector(measure, **selection) - before.vector(measure, **selection)

    return _quantity(name, rule, [after, before], difference, paper, **selection)


def _level(
    name: str,
    rule: Rule,
    group: Group | None,
    measure: str = "pass@1",
    baseline: float = 0.0,
    paper: float | None = None,
    **selection,
) -> Quantity:
    """The measure of one group, above a baseline."""

    def level(group):
        return group.vector(measure, **selection) - baseline

    return _quantity(name, rule, [group], level, paper, **selection)


def _gap(
    name: str, rule: Rule, groups: dict[str, Group | None], steps: Range, paper: float | None
) -> Quantity:
    """FB above the better of F and B."""

    def gap(both, *singles):
        best = np.max([single.vector("pass@1", steps=steps) for single in singles], axis=0)
        return both.vector("pass@1", steps=steps) - best

    return _quantity(name, rule, [groups["FB"], groups["F"], groups["B"]], gap, paper, steps=steps)


def _selection(main: Inputs) -> list[Quantity]:
    steps, easy, stage = main.hardest, main.settings.data.sft_steps, rl_stage(main.hardest)
    after = {model: main.scores.group(model, stage) for model in ("F", "B", "FB")}
    start = [main.scores.group(model, SFT) for model in ("F", "B", "FB")]
    quantities = [
        _level(
            f"{model} after {stage}: pass@1 on {steps} steps, both types",
            rules.NEAR_PERFECT if model == "FB" else rules.SINGLE,
            after[model],
            paper=_known(model, stage),
            steps=steps,
        )
        for model in ("FB", "F", "B")
    ]
    name = f"FB above the better of F and B after {stage}, {steps} steps, both types"
    known = round(rules.PAPER_GAP, 3) if _known("FB", stage) else None
    quantities.append(_gap(name, rules.GAP, after, steps, known))
    quantities.append(
        _quantity(
            f"largest difference between F, B and FB after SFT: pass@1 on {easy} steps, both types",
            rules.COMPARABLE,
            start,
            lambda *groups: largest_difference([g.vector("pass@1", steps=easy) for g in groups]),
            steps=easy,
        )
    )
    return quantities


def _routing(main: Inputs) -> list[Quantity]:
    steps, stage = main.hardest, rl_stage(main.hardest)
    after, before = main.scores.group("FB", stage), main.scores.group("FB", SFT)
    quantities = [
        _level(
            f"FB after {stage}: share of {FITTING_STRATEGY[type]} on {type}, {steps} steps",
            rules.FITTING,
            after,
            "share_fitting",
            type=type,
            steps=steps,
        )
        for type in PROBLEM_TYPES
    ]
    quantities += [
        _change(
            f"FB, rise of the share of {FITTING_STRATEGY[type]} on {type} from SFT to {stage}",
            rules.RISES,
            after,
            before,
            "share_fitting",
            type=type,
            steps=steps,
        )
        for type in PROBLEM_TYPES
    ]
    return quantities


def _harder_data(main: Inputs) -> list[Quantity]:
    steps = main.hardest
    same, harder = rl_stage(main.settings.data.sft_steps), rl_stage(steps)
    group, quantities = main.scores.group, []
    for model, type in FITTING_TYPE.items():
        for stage, before, rule in (
            (same, SFT, rules.NO_GAIN),
            (harder, SFT, rules.RISES),
            (harder, same, rules.RISES),
        ):
            quantities.append(
                _change(
                    f"{model}, {type}, {steps} steps: pass@1 after {stage} less after {before}",
                    rule,
                    group(model, stage),
                    group(model, before),
                    paper=_known_change(model, stage, before, type),
                    type=type,
                    steps=steps,
                )
            )
    given = "accuracy given the fitting strategy"
    for name, stage, before, measure, rule in (
        ("share of the fitting strategy", same, SFT, "share_fitting", rules.RISES),
        (given, same, SFT, "accuracy_given_fitting", rules.NO_GAIN),
        (given, harder, SFT, "accuracy_given_fitting", rules.RISES),
        ("pass@1", harder, same, "pass@1", rules.RISES),
    ):
        known = _known_change("FB", stage, before) if measure == "pass@1" else None
        quantities.append(
            _change(
                f"FB, both types, {steps} steps: {name} after {stage} less after {before}",
                rule,
                group("FB", stage),
                group("FB", before),
                measure,
                known,
                steps=steps,
            )
        )
    return quantities


def _time_scales(main: Inputs) -> list[Quantity]:
    curves = main.curves("FB", rl_stage(main.hardest))
    rows = (
        ("selection", "share of the fitting strategy", rules.SELECTION_STEP, SELECTION_STEPS.value),
        ("improvement", "accuracy given that strategy", rules.IMPROVEMENT_STEP, None),
    )
    scales = measure_time_scales(curves) if curves else None
    quantities = [
        Quantity(
            f"RL step at which FB's {measure} has made 90 % of its rise ({name})",
            rule,
            getattr(scales, name, NOT_MEASURED),
            known,
        )
        for name, measure, rule, known in rows
    ]
    estimate = scales.ratio if scales else NOT_MEASURED
    return [
        *quantities,
        Quantity("steps of improvement / steps of selection", rules.TIME_RATIO, estimate),
    ]


def _pass_at_k(main: Inputs) -> list[Quantity]:
    steps, stage = main.hardest, rl_stage(main.hardest)
    after = main.scores.group("FB", stage, evaluation="pass_at_k")
    before = main.scores.group("FB", SFT, evaluation="pass_at_k")
    largest = after.pass_measures[-1] if after else "pass@k"

    def shrinkage(after, before):
        gains = [
            after.vector(measure, steps=steps) - before.vector(measure, steps=steps)
            for measure in ("pass@1", largest)
        ]
        return gains[0] - gains[1]

    def held(after, before):
        return before.vector(largest, steps=steps) - after.vector("pass@1", steps=steps)

    return [
        _quantity(
            f"FB, both types, {steps} steps: gain of {stage} over SFT in pass@1 less in {largest}",
            rules.SHRINKS,
            [after, before],
            shrinkage,
            steps=steps,
        ),
        _quantity(
            f"FB, both types, {steps} steps: {largest} of SFT less pass@1 after {stage}",
            rules.HELD_BY_SFT,
            [after, before],
            held,
            steps=steps,
        ),
    ]


def _no_new_strategy(main: Inputs) -> list[Quantity]:
    steps, stage, task = main.hardest, rl_stage(main.hardest), main.settings.task
    chance = float(
        guess_and_check_pass_at_k(
            task.form, task.field_size, steps.values(), task.response_words, 1
        )
    )
    quantities = []
    for model, type in OTHER_TYPE.items():
        group, known = main.scores.group(model, stage), _known(model, stage, type)
        quantities += [
            _level(
                f"{model} after {stage}: pass@1 on {type}, {steps} steps, less that of guess and "
                f"check ({chance:.3f})",
                rules.CHANCE,
                group,
                baseline=chance,
                # Its chance is that of one guess.
                paper=None if known is None else round(known - 1 / task.field_size, 3),
                type=type,
                steps=steps,
            ),
            _level(
                f"{model} after {stage}: share of {FITTING_STRATEGY[type]} on {type}",
                rules.NOT_ACQUIRED,
                group,
                "share_fitting",
                type=type,
                steps=steps,
            ),
        ]
    return quantities


def _amplification(inputs: Inputs) -> list[Quantity]:
    steps, stage, quantities = inputs.hardest, rl_stage(inputs.hardest), []
    shares = sorted(inputs.settings.experiments.amplification.evaluation_shares)
    groups = [inputs.scores.group("FB", stage, f"{100 * share:g}") for share in shares]
    for share, group in zip(shares, groups, strict=True):
        mix = {EVALUATION: share, INVERSION: 1 - share}
        quantities.append(
            _quantity(
                f"RL prompts with {share:.0%} evaluation: share of forward at that mix, less "
                f"{share:g}",
                rules.NO_CHANGE,
                [group],
                lambda g, mix=mix, share=share: (
                    g.vector("share_forward", steps=steps, mix=mix) - share
                ),
                steps=steps,
            )
        )
    if len(shares) > 1:
        quantities.append(
            _change(
                f"share of forward on balanced problems, {shares[-1]:.0%} less {shares[0]:.0%} "
                "evaluation in RL (selection, not one strategy for all)",
                rules.NO_CHANGE,
                groups[-1],
                groups[0],
                "share_forward",
                steps=steps,
            )
        )
    return quantities


def _composition(inputs: Inputs) -> list[Quantity]:
    experiment = inputs.settings.experiments.composition
    chance, stage = 1 / inputs.settings.task.field_size, f"RL({experiment.rl_parts}-parts)"
    trained, quantities = experiment.rl_parts, []
    for model, held in experiment.sft_parts.items():
        after = inputs.scores.group(model, stage, evaluation="parts")
        before = inputs.scores.group(model, SFT, evaluation="parts")
        if held.high > 1:
            name = f"SFT with {held} parts: pass@1 on {trained} parts, after RL on them less before"
            quantities.append(_change(name, rules.GAIN, after, before, parts=trained))
        else:
            name = f"SFT with single parts: pass@1 on {trained} parts after RL on them, less chance"
            name += f" ({chance:.3f})"
            quantities.append(_level(name, rules.CHANCE, after, baseline=chance, parts=trained))
    return quantities


def _robustness(inputs: Inputs) -> list[Quantity]:
    return [
        quantity
        for axis in inputs.settings.experiments.robustness.axes
        for value, condition in inputs.conditions(axis)
        if condition != "default"
        for quantity in _robust(inputs, axis, value, condition)
    ]


def _robust(inputs: Inputs, axis: str, value, condition: str) -> list[Quantity]:
    if axis.startswith("sft."):
        return [_same_loss(inputs, axis, value, condition)]
    steps, stage = inputs.hardest, rl_stage(inputs.hardest)
    both = inputs.scores.group("FB", stage, condition)
    known = {model: ROBUSTNESS.get((model, condition)) for model in ("F", "B", "FB")}
    level = known["FB"].value if known["FB"] else None
    name = f"{condition}: FB after {stage}, pass@1 on {steps} steps, both types"
    if axis == "rl.learning_rate" and value >= UNSTABLE_LEARNING_RATE * inputs.default_of(axis):
        default = inputs.scores.group("FB", stage, "default")
        return [_change(f"{name}, less the default", rules.UNSTABLE, both, default, steps=steps)]
    seeds = inputs.settings.experiments.robustness.single_strategy_seeds
    shared = tuple(seed for seed in inputs.settings.seeds if seed in seeds)
    groups = {
        model: inputs.scores.group(model, stage, condition, seeds=shared)
        for model in ("F", "B", "FB")
    }
    gap = None
    if level is not None:
        gap = round(level - max(known["F"].value, known["B"].value), 3)
    return [
        _level(name, rules.NEAR_PERFECT, both, paper=level, steps=steps),
        _gap(f"{condition}: FB above the better of F and B", rules.ROBUST_GAP, groups, steps, gap),
    ]


def _same_loss(inputs: Inputs, axis: str, value, condition: str) -> Quantity:
    name = f"{condition}: FB's cross-entropy after SFT / that of the default"
    changed = inputs.cross_entropy("FB", condition)
    default = inputs.cross_entropy("FB", "default")
    reported = CROSS_ENTROPY.get(("FB", inputs.multiple_of_default(axis, value)))
    known = None
    if reported:
        known = round(reported.value / CROSS_ENTROPY["FB", 1.0].value, 3)
    if changed is None or default is None:
        return Quantity(name, rules.SAME_LOSS, paper=known)
    (changed_vector, estimate), (default_vector, _) = changed, default
    bounds = interval(ratio(changed_vector, default_vector), inputs.settings.statistics.confidence)
    counts = (estimate.n_problems, estimate.n_seeds, estimate.n_samples)
    return Quantity(name, rules.SAME_LOSS, Estimate(*bounds, *counts), known)


def _other_field(inputs: Inputs) -> list[Quantity]:
    experiment, steps = inputs.settings.experiments.field13, inputs.hardest
    stage, field = rl_stage(experiment.rl_steps[-1]), f"GF({experiment.field_size})"
    groups = {model: inputs.scores.group(model, stage) for model in ("F", "B", "FB")}
    name = f"{field}: FB after {stage}, pass@1 on {steps} steps, both types"
    gap = f"{field}: FB above the better of F and B after {stage}"
    return [
        _level(name, rules.NEAR_PERFECT, groups["FB"], steps=steps),
        _gap(gap, rules.GAP, groups, steps, None),
    ]


def _longer(inputs: Inputs) -> list[Quantity]:
    trained = inputs.settings.experiments.longer.rl_steps
    after, before = (
        inputs.scores.group("FB", stage, evaluation="longer") for stage in (rl_stage(trained), SFT)
    )
    low = inputs.settings.data.validation_steps.high + 1
    name = (
        f"FB: pass@1 on {low}-{trained.high} steps, both types, after {rl_stage(trained)} less SFT"
    )
    return [_change(name, rules.GAIN, after, before)]


# Which experiment each part of a claim is measured on.
PARTS: dict[str, list[tuple[str, Callable[[Inputs], list[Quantity]]]]] = {
    "C1": [("main", _selection)],
    "C2": [("main", _routing)],
    "C3": [("main", _harder_data)],
    "C4": [("main", _time_scales)],
    "C5": [("main", _pass_at_k)],
    "C6": [("main", _no_new_strategy)],
    "C7": [("amplification", _amplification)],
    "C8": [("composition", _composition)],
    "C9": [("robustness", _robustness), ("field13", _other_field), ("longer", _longer)],
}
