"""Synthetic scores, rollouts and cross-entropies with known effects, for the real run grid."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from pydantic_core import to_jsonable_python
from scipy.special import expit, logit

from workflow_scripts.evaluate.collect import at_temperature
from workflow_scripts.evaluate.metrics import COUNT_COLUMNS, Scores
from workflow_scripts.experiments.experiment import Source
from workflow_scripts.experiments.registry import EXPERIMENTS as KINDS
from workflow_scripts.plan.settings import Settings
from workflow_scripts.plan.study import Study
from workflow_scripts.report.inputs import SFT, Files, Inputs, Measurements
from workflow_scripts.task.mixes import Compositions, SolvedSingles

CHANCE = 1 / 11
GUESS = 0.12  # accuracy of the strategy that does not fit
CONFIGURATION = Path(__file__).parents[2] / "config" / "default.yaml"


def make_settings(**changes) -> Settings:
    config = yaml.safe_load(CONFIGURATION.read_text()) | {"seeds": [0, 1, 2]}
    for key, value in changes.items():
        *sections, last = key.split("__")
        section = config
        for name in sections:
            section = section[name]
        section[last] = value
    return Settings.model_validate(config)


@dataclass(frozen=True)
class World:
    """What the models can do. share and accuracy are of the fitting strategy after SFT and RL."""

    routed: float = 0.99  # share of the fitting strategy of FB after RL
    acquired: float = 0.0  # share of the fitting strategy of F and B on their other type after RL
    improved: float = 0.97  # accuracy given the fitting strategy after RL on harder problems
    composed: float = 0.8  # share of verified responses to compositions, where SFT held pairs

    def share(self, backward: float, type: str, progress: float) -> float:
        """progress of selection: 0 after SFT, 1 after RL."""
        trained = backward if type == "inversion" else 1 - backward
        if trained == 0:
            return self.acquired * progress
        start = 0.5 + 0.5 * (trained - 0.4 if trained < 1 else 1)
        end = 1.0 if trained == 1 else self.routed
        return start + (end - start) * progress

    def accuracy(self, steps: int, progress: float) -> float:
        start = 0.97 if steps <= 5 else 0.9 - 0.15 * (steps - 5)
        start = max(start, 0.05)
        return start + max(self.improved - start, 0) * progress

    def composition(self, model: str, parts: int, after_rl: bool) -> float:
        learnt = {"atomic": 1, "pairs": 2}[model]
        if parts <= learnt:
            return 0.95
        return self.composed if after_rl and model == "pairs" else 0.01


NO_LEARNING = World(routed=0.55, acquired=0.9, improved=0.0, composed=0.01)


def _problems(study: Study, evaluation: str, per_stratum: int) -> pd.DataFrame:
    kind = study.validation_kinds[study.evaluations[evaluation].problems]
    if isinstance(kind, Compositions):
        strata = [
            ("composition" if parts > 1 else "evaluation", parts + i % 2, parts)
            for parts in kind.parts
            for i in range(per_stratum)
        ]
    else:
        strata = [
            (type, steps, 1)
            for type in ("evaluation", "inversion")
            for steps in kind.steps
            for _ in range(per_stratum)
        ]
    frame = pd.DataFrame(strata, columns=["type", "steps", "parts"])
    return frame.assign(problem=range(len(frame)))


def _chances(world: World, member, problems: pd.DataFrame, step) -> tuple[np.ndarray, ...]:
    """Per problem: share of the fitting strategy, accuracy given it. step may differ by problem."""
    run, step = member.run, np.broadcast_to(step, len(problems))
    if problems["parts"].max() > 1:
        accuracy = [
            world.composition(member.model, parts, member.stage != SFT)
            for parts in problems["parts"]
        ]
        return np.zeros(len(problems)), np.array(accuracy)
    selection = 1 - np.exp(-step / 10)
    harder = member.stage not in (SFT, "RL(2-5)")
    improvement = harder * (1 - np.exp(-step / 60))
    mix = run.sft.data.mix
    backward = mix.backward_share if isinstance(mix, SolvedSingles) else 0.5
    shares = [world.share(backward, *of) for of in zip(problems["type"], selection, strict=True)]
    accuracy = [world.accuracy(*of) for of in zip(problems["steps"], improvement, strict=True)]
    return np.array(shares), np.array(accuracy)


def _judged(fitting: np.ndarray, right: np.ndarray) -> dict[str, np.ndarray]:
    """Of the wrong responses that fit, a third stops early; the others have a wrong look-up."""
    counts = {"fitting": fitting, "correct_fitting": right, "verified": right}
    stopped = (fitting - right) // 3
    lookup = fitting - right - stopped
    return {**counts, "mistake_lookup": lookup, "mistake_stopped_early": stopped}


def _assign(problems: pd.DataFrame, **counts: np.ndarray) -> pd.DataFrame:
    """The problems with their counts. Other counts of responses are 0."""
    return problems.assign(**dict.fromkeys(COUNT_COLUMNS, 0) | counts)


def _counts(rng, world, member, problems: pd.DataFrame, step, n) -> pd.DataFrame:
    """n is the number of responses, of all problems or of each."""
    shares, accuracy = _chances(world, member, problems, step)
    if problems["parts"].max() > 1:
        right = rng.binomial(n, accuracy)
        correct = right + rng.binomial(n - right, CHANCE)
        everything = np.full(len(problems), n)
        return _assign(problems, correct=correct, mixed=everything, **_judged(everything, right))
    fitting = rng.binomial(n, shares)
    right = rng.binomial(fitting, accuracy)
    evaluation = (problems["type"] == "evaluation").to_numpy()
    forward = np.where(evaluation, fitting, n - fitting)
    return _assign(
        problems,
        correct=right + rng.binomial(n - fitting, GUESS),
        forward=forward,
        backward=n - forward,
        direct_forward=np.where(evaluation, fitting, 0),
        direct_backward=np.where(evaluation, 0, fitting),
        guessing=n - fitting,
        fitting_direction=fitting,
        correct_fitting_direction=right,
        **_judged(fitting, right),
    )


def _exact(rng, world, member, problems: pd.DataFrame, step, temperatures) -> pd.DataFrame:
    shares, accuracy = _chances(world, member, problems, step)
    if problems["parts"].max() > 1:
        shares = np.ones(len(problems))
    columns = {}
    for temperature in temperatures:
        for name, chance in (("selection", shares), ("execution", accuracy)):
            noise = rng.normal(0, 0.1, len(problems)) + rng.normal(0, 0.05)
            noisy = expit(logit(np.clip(chance, 0.001, 0.999)) + noise)
            columns[at_temperature(name, temperature)] = noisy
    return problems.assign(**columns)


def make_scores(settings: Settings, experiment: str, world: World, per_stratum=8, samples=8):
    study, rng, frames = Study(settings), np.random.default_rng(7), []
    for member in study.members[experiment]:
        final = 0 if member.stage == SFT else member.run.settings.rl.steps
        for evaluation in member.evaluations:
            scored = [final]
            if study.evaluations[evaluation].checkpoints:
                scored = member.run.settings.rl.scored_steps
            temperatures = study.evaluations[evaluation].temperatures
            n = 4 * samples if evaluation == "pass_at_k" else samples
            for step in scored:
                problems = _problems(study, evaluation, per_stratum)
                if temperatures:
                    scores = _exact(rng, world, member, problems, step, temperatures)
                else:
                    scores = _counts(rng, world, member, problems, step, n)
                    words = n * (6 * scores["steps"] + 3)
                    scores = scores.assign(n=n, complete=n, words=words)
                frames.append(
                    scores.assign(
                        model=member.model,
                        stage=member.stage,
                        condition=member.condition,
                        seed=member.run.seed,
                        family=member.run.sft.family,
                        run=member.run.name,
                        checkpoint=step,
                        evaluation=evaluation,
                    )
                )
    return pd.concat(frames, ignore_index=True)


def make_mistakes(scores: pd.DataFrame) -> pd.DataFrame:
    """The mistakes of scores: every line is as often the first wrong one, over all problems."""
    rollouts = scores[scores["n"].notna() & (scores["parts"] == 1)]
    line = 1 + rollouts["problem"] % rollouts["steps"]
    kinds = (
        ("none", "verified", 0),
        ("lookup", "mistake_lookup", line),
        ("stopped early", "mistake_stopped_early", line),
    )
    frames = [
        rollouts.assign(mistake=mistake, wrong_line=wrong_line, n=rollouts[column].astype(int))
        for mistake, column, wrong_line in kinds
    ]
    keys = ["model", "stage", "condition", "seed", "family", "run", "checkpoint", "type"]
    keys += ["steps", "parts", "wrong_line", "mistake", "evaluation"]
    counts = pd.concat(frames).groupby(keys, as_index=False)["n"].sum()
    return counts[counts["n"] > 0]


def make_training(settings: Settings, experiment: str, world: World) -> pd.DataFrame:
    study, rng, frames = Study(settings), np.random.default_rng(8), []
    for member in study.members[experiment]:
        if member.stage == SFT:
            continue
        cells = pd.DataFrame(
            [
                (type, steps, 1, step)
                for step in range(1, member.run.settings.rl.steps + 1)
                for type in ("evaluation", "inversion")
                for steps in member.run.prompts.mix.steps
            ],
            columns=["type", "steps", "parts", "step"],
        )
        share = member.run.prompts.mix.evaluation_share
        is_evaluation = cells["type"] == "evaluation"
        responses = np.where(is_evaluation, 32 * share, 32 * (1 - share)).round().astype(int)
        counts = _counts(rng, world, member, cells, cells["step"], responses)
        for fits in (True, False):
            n = counts["fitting"] if fits else responses - counts["fitting"]
            wrong_way = counts["correct"] - counts["correct_fitting"]
            frames.append(
                cells.assign(
                    fits=fits,
                    direction=np.where(is_evaluation == fits, "forward", "backward"),
                    mode="direct" if fits else "guess",
                    n=n,
                    correct=counts["correct_fitting"] if fits else wrong_way,
                    complete=n,
                    words=30 * n,
                    model=member.model,
                    stage=member.stage,
                    condition=member.condition,
                    seed=member.run.sft.seed,
                    family=member.run.sft.family,
                    run=member.run.name,
                )
            )
    return pd.concat(frames, ignore_index=True)


def make_sft(settings: Settings, experiment: str) -> pd.DataFrame:
    rng = np.random.default_rng(9)
    rows = [
        {
            "model": member.model,
            "condition": member.condition,
            "seed": member.run.seed,
            "family": member.run.sft.family,
            "run": member.run.name,
            "cross_entropy": 0.0859 + 0.0005 * rng.random(),
            "n_tokens": 12000,
        }
        for member in Study(settings).members[experiment]
        if member.stage == SFT
    ]
    return pd.DataFrame(rows)


LOGGED = ("main", "amplification", "diversity")  # experiments of which training rollouts are read


def make_inputs(settings: Settings, experiment: str, world: World, **size) -> Inputs:
    scores = make_scores(settings, experiment, world, **size)
    measured = Measurements(
        Scores(scores, settings.statistics),
        make_training(settings, experiment, world) if experiment in LOGGED else None,
        make_sft(settings, experiment),
        make_mistakes(scores),
    )
    study = Study(settings)
    own = study.experiments[experiment]
    return Inputs(settings.shared, study.main.hardest, own, measured)


FULL = make_settings(
    rl__steps=120,
    rl__scored_steps=[20, 60],
    experiments__robustness__n_seeds_of_single_strategies=1,
)
SMOKE = make_settings(
    tier="smoke",
    seeds=[0],
    rl__steps=2,
    rl__scored_steps=[1],
    experiments__robustness__axes={"rl.kl_coefficient": [0.1]},
    experiments__diversity__backward_shares=[0.0, 0.5],
    experiments__amplification__evaluation_shares=[0.5],
)
EXPERIMENTS = [kind.name for kind in KINDS]


def source(settings: Settings, experiment: str, files: dict) -> dict:
    """What a product of an experiment is made from, as a plan file has it."""
    study = Study(settings)
    own = study.experiments[experiment].model_dump()
    made = Source(settings.shared, study.main.hardest, own, Files(**files))
    return to_jsonable_python(made)
