"""Estimates from scores: accuracy, pass@k and shares of strategies, with t intervals.

    python -m workflow_scripts.evaluate.metrics PLAN

Scores are counts of rollouts, or exact probabilities, by problem (see evaluate.collect). Tables,
figures and claims measure everything on scores through the class `Scores`. The stage writes the
estimates of one experiment to a CSV file, one row per estimate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.collect import EXACT, at_temperature
from workflow_scripts.evaluate.statistics import (
    Design,
    Estimate,
    Scale,
    Statistic,
    pass_at_k,
    powers_of_two,
    ratio,
    ratio_of_sums,
)
from workflow_scripts.evaluate.storage import read_table, write_whole, writer
from workflow_scripts.settings.statistics import Statistics
from workflow_scripts.settings.values import Range, single
from workflow_scripts.task.label import DIRECTIONS
from workflow_scripts.task.problems import COMPOSITION, PROBLEM_TYPES

ALL_TYPES = "all"
# A rate over all problem types gives each type the same weight, whatever the number of its problems
# in a validation set.
BALANCED = dict.fromkeys(PROBLEM_TYPES, 1 / len(PROBLEM_TYPES))

RUN_COLUMNS = ["model", "stage", "condition"]
PROBLEM_COLUMNS = ["type", "steps", "parts"]
# The kinds of mistakes of responses that fit, see task.label.Label.
MISTAKE_COLUMNS = [
    "mistake_lookup",
    "mistake_operand",
    "mistake_arithmetic",
    "mistake_too_many_lines",
    "mistake_stopped_early",
    "mistake_answer",
    "mistake_cut_off",
]
COUNT_COLUMNS = [
    "n",
    "correct",
    "complete",
    *DIRECTIONS,
    *(f"direct_{direction}" for direction in DIRECTIONS),
    "guessing",
    "fitting",
    "correct_fitting",
    "fitting_direction",
    "correct_fitting_direction",
    "verified",
    *MISTAKE_COLUMNS,
    "words",
]
# The columns that all scores have. Those of rollouts also have COUNT_COLUMNS, exact ones a column
# for each probability and temperature.
SCORE_COLUMNS = [
    *RUN_COLUMNS,
    "seed",
    "family",
    "checkpoint",
    "evaluation",
    "problem",
    *PROBLEM_COLUMNS,
]
# The numbers of samples k for which exact scores give pass@k, and those of them in the metrics.
EXACT_KS = powers_of_two(1024)
TABULATED_KS = (16, 128, 1024)

# A measure is a ratio of two sums over problems. Its entry names the columns that are summed:
# (numerator, denominator). The columns are described in collect.count_rollouts. A response fits if
# it works directly, without a guess, in the fitting direction. The measures of the fitting
# direction alone count guesses too.
MEASURES = {
    "pass@1": ("correct", "n"),
    **{f"share_{direction}": (direction, "n") for direction in DIRECTIONS},
    **{f"share_direct_{direction}": (f"direct_{direction}", "n") for direction in DIRECTIONS},
    "share_guessing": ("guessing", "n"),
    "share_fitting": ("fitting", "n"),
    "accuracy_given_fitting": ("correct_fitting", "fitting"),
    "share_fitting_direction": ("fitting_direction", "n"),
    "accuracy_given_fitting_direction": ("correct_fitting_direction", "fitting_direction"),
    "verified": ("verified", "n"),
    "verified_given_fitting": ("verified", "fitting"),
    **{f"{column}_given_fitting": (column, "fitting") for column in MISTAKE_COLUMNS},
    "complete": ("complete", "n"),
    "words": ("words", "n"),
}


# Measures of exact scores are means of probabilities over problems. Their names are those of the
# columns (see collect.at_temperature): "selection at 1", "execution at 1", "verified at 1" (the
# product of the two), and "selection@128 at 1", "verified@128 at 1": the probability that at least
# one of 128 samples is so.

# Measures that are no rates, so that they may be above 1.
NO_RATES = {"words"}


def _sums_of(measure: str) -> tuple[str, str]:
    # pass@k and exact measures are means over problems: the column "problems" is 1 for each.
    return MEASURES.get(measure) or (measure, "problems")


def scale_of(measure: str) -> Scale:
    """The scale of a measure's intervals."""
    return Scale.LINEAR if measure in NO_RATES else Scale.LOGIT


@dataclass(frozen=True)
class Subset:
    """The problems on which a measure is computed. None means all numbers of steps or of parts.

    mix gives the weight of each type. mix is used only if type is ALL_TYPES.
    """

    type: str = ALL_TYPES
    steps: Range | None = None
    parts: Range | None = None
    mix: Mapping[str, float] = field(default_factory=lambda: BALANCED)


EVERYTHING = Subset()


@dataclass(frozen=True)
class Group:
    """The scores of runs that differ only in their seed, on one set of problems.

    problems has arrays with one entry per problem: its id (problem), type, steps, parts and
    stratum. A stratum is the set of problems of one type, number of steps and number of parts.
    counts has shape (seeds, problems, columns). family names the SFT models from which the runs
    start (evaluate.collect.RunName). n_samples is 0 for exact scores. runs names the model, stage
    and condition.
    """

    problems: dict[str, np.ndarray]
    columns: list[str]
    counts: np.ndarray
    family: str
    seeds: tuple[int, ...]
    n_samples: int
    confidence: float
    runs: str
    evaluation: str

    def _weights(self, on: Subset) -> np.ndarray:
        """The weight of each problem, of shape (problems,); 0 outside the subset.

        The weights of all problems of a type sum to the type's weight in the mix.
        """
        types = self.problems["type"]
        chosen = np.ones(len(types), dtype=bool)
        for column, span in (("steps", on.steps), ("parts", on.parts)):
            if span is not None:
                numbers = self.problems[column]
                chosen &= (span.low <= numbers) & (numbers <= span.high)
        if on.type != ALL_TYPES:
            chosen &= types == on.type
        weights = np.zeros(len(chosen))
        for name in set(types[chosen]):
            mine = chosen & (types == name)
            weights[mine] = on.mix.get(name, 1.0) / mine.sum()
        return weights

    def statistics(self, measures: Sequence[str], on: Subset = EVERYTHING) -> Statistic:
        """Measures on a subset of the problems, as one statistic of shape (measures,)."""
        weights = self._weights(on)
        chosen = weights > 0
        weights = weights[chosen, None]
        over, under = (
            self.counts[:, chosen][..., [self.columns.index(name) for name in names]] * weights
            for names in zip(*map(_sums_of, measures), strict=True)
        )
        # Of problems with unequal weights, as few count as the largest weight allows.
        present = weights * (under.sum(axis=0) > 0)
        trials = ratio(present.sum(axis=0), present.max(axis=0, initial=0))
        ids, strata = (tuple(self.problems[key][chosen].tolist()) for key in ("problem", "stratum"))
        design = Design(self.family, self.seeds, ids, strata)
        return ratio_of_sums(over, under, design, trials, self.n_samples)

    def statistic(self, measure: str, on: Subset = EVERYTHING) -> Statistic:
        """One measure on a subset of the problems."""
        return self.statistics([measure], on)[0]

    def estimates(self, measures: Sequence[str], on: Subset = EVERYTHING) -> list[Estimate]:
        """The estimate of each measure on a subset of the problems."""
        statistic, scales = self.statistics(measures, on), list(map(scale_of, measures))
        found = {scale: statistic.estimates(scale, self.confidence) for scale in set(scales)}
        return [found[scale][index] for index, scale in enumerate(scales)]

    def estimate(self, measure: str, on: Subset = EVERYTHING) -> Estimate:
        """The estimate of one measure on a subset of the problems."""
        return self.estimates([measure], on)[0]

    def of_seeds(self, seeds: Sequence[int]) -> "Group":
        """The scores of some of the seeds."""
        chosen = [self.seeds.index(seed) for seed in seeds]
        return replace(self, counts=self.counts[chosen], seeds=tuple(seeds))

    def values(self, column: str) -> list[int]:
        """The numbers of steps or of parts that occur. column is "steps" or "parts"."""
        return np.unique(self.problems[column]).tolist()

    @property
    def tabulated(self) -> list[str]:
        """The names of the measures that the metrics hold."""
        if self.n_samples:
            # For k = 1, pass@k and verified@k are the measures pass@1 and verified.
            return [*MEASURES, *self.pass_measures[1:], *self.verified_measures[1:]]
        left_out = tuple(f"@{k} " for k in EXACT_KS if k not in TABULATED_KS)
        measures = [name for name in self.columns if name != "problems"]
        return [name for name in measures if not any(k in name for k in left_out)]

    @property
    def ks(self) -> list[int]:
        """The k for which pass@k is measured: the powers of two up to the number of samples."""
        return powers_of_two(self.n_samples)

    @property
    def pass_measures(self) -> list[str]:
        """The names of pass@k for each k, in increasing order of k."""
        return [pass_measure(k) for k in self.ks]

    @property
    def verified_measures(self) -> list[str]:
        """The names of process-verified pass@k for each k, in increasing order of k."""
        return [verified_measure(k) for k in self.ks]


def pass_measure(k: int) -> str:
    """The name of pass@k as a measure."""
    return f"pass@{k}"


def verified_measure(k: int) -> str:
    """The name of process-verified pass@k: a sample counts only if the label has no mistake."""
    return f"verified@{k}"


def with_shared_seeds(groups: Sequence[Group]) -> list[Group]:
    """The groups, each with the seeds that all groups of its family have.

    Groups of one family are paired by seed. Raises StudyError if they share no seed.
    """
    shared: dict[str, tuple[int, ...]] = {}
    for group in groups:
        seeds = shared.get(group.family, group.seeds)
        shared[group.family] = tuple(seed for seed in seeds if seed in group.seeds)
        if not shared[group.family]:
            raise StudyError(f"the runs from {group.family} share no seed: they cannot be compared")
    return [group.of_seeds(shared[group.family]) for group in groups]


def make_group(runs: pd.DataFrame, confidence: float) -> Group:
    """The scores of runs as arrays.

    runs has the scores of one evaluation and one checkpoint per run. Raises StudyError if the runs
    (one per seed) were not all scored on the same problems with the same number of samples.
    """
    runs = runs.sort_values(["seed", "problem"])
    seeds = tuple(runs["seed"].unique().tolist())
    problems = runs[["problem", *PROBLEM_COLUMNS]].drop_duplicates()
    shape = (len(seeds), len(problems))
    if len(runs) != np.prod(shape) or problems["problem"].duplicated().any():
        raise StudyError(f"scores of {_name(runs)}: the seeds were not scored on the same problems")

    # Compositions are grouped by their number of parts. A validation set of compositions also has
    # problems of a single part. If any problem has several parts, all problems of the set are
    # therefore treated as compositions.
    if (problems["parts"] > 1).any():
        problems = problems.assign(type=COMPOSITION, steps=0)
    problems = problems.assign(stratum=problems.groupby(PROBLEM_COLUMNS).ngroup())

    is_exact = "n" not in runs or runs["n"].isna().all()
    n_samples, columns = (0, _exact_columns(runs)) if is_exact else _count_columns(runs)
    columns["problems"] = np.ones(len(runs))
    counts = np.stack(list(columns.values()), axis=-1).reshape(*shape, len(columns))
    names = ("problem", *PROBLEM_COLUMNS, "stratum")
    arrays = {name: problems[name].to_numpy(object if name == "type" else int) for name in names}
    return Group(
        problems=arrays,
        columns=list(columns),
        counts=counts,
        family=runs["family"].iloc[0],
        seeds=seeds,
        n_samples=n_samples,
        confidence=confidence,
        runs=_name(runs),
        evaluation=runs["evaluation"].iloc[0],
    )


def _count_columns(runs: pd.DataFrame) -> tuple[int, dict[str, np.ndarray]]:
    """The number of samples per problem, and the columns of counts and of pass@k."""
    n_samples = int(runs["n"].iloc[0])
    if (runs["n"] != n_samples).any():
        raise StudyError(f"scores of {_name(runs)}: the numbers of samples differ between problems")
    columns = {column: runs[column].to_numpy(float) for column in COUNT_COLUMNS}
    correct, verified = (runs[name].to_numpy(int) for name in ("correct", "verified"))
    for k in powers_of_two(n_samples):
        columns[pass_measure(k)] = pass_at_k(n_samples, correct, k)
        columns[verified_measure(k)] = pass_at_k(n_samples, verified, k)
    return n_samples, columns


def _exact_columns(runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns of probabilities, for one sample and for k samples."""
    columns: dict[str, np.ndarray] = {}
    for first in (
        name for name in map(str, runs) if name.startswith(at_temperature("selection", ""))
    ):
        temperature = first.removeprefix(at_temperature("selection", ""))
        selection, execution = (
            runs[at_temperature(name, temperature)].to_numpy(float) for name in EXACT
        )
        if np.isnan(selection).all():  # another evaluation has this temperature
            continue
        once = {"selection": selection, "execution": execution, "verified": selection * execution}
        columns |= {at_temperature(name, temperature): values for name, values in once.items()}
        for name in ("selection", "verified"):
            for k in EXACT_KS[1:]:
                of_k = at_temperature(f"{name}@{k}", temperature)
                columns[of_k] = 1 - (1 - once[name]) ** k
    return columns


def _name(runs: pd.DataFrame) -> str:
    first = runs.iloc[0]
    return " ".join(filter(None, [first["model"], first["stage"], first["condition"]]))


class Scores:
    """The scores of an experiment. `group` and `find` select the runs of one model and stage."""

    def __init__(self, frame: pd.DataFrame, statistics: Statistics):
        self.frame = frame
        self.statistics = statistics
        self._groups: dict[tuple[object, ...], Group | None] = {}

    @classmethod
    def read(cls, paths: Sequence[Path], statistics: Statistics) -> "Scores":
        """Read the scores of one or more evaluations of an experiment.

        Raises StudyError if a file is missing or damaged.
        """
        frames = [read_table(path, SCORE_COLUMNS) for path in paths]
        return cls(pd.concat(frames, ignore_index=True), statistics)

    def group(
        self,
        model: str,
        stage: str,
        condition: str = "",
        evaluation: str = "steps",
        checkpoint: int | None = None,
    ) -> Group:
        """The scores of a model and stage, over all seeds. Raises StudyError if there are none.

        checkpoint is an RL step. None is for evaluations that sample only one model per run.
        """
        found = self.find(model, stage, condition, evaluation, checkpoint)
        if found is None:
            name = " ".join(filter(None, [model, stage, condition]))
            raise StudyError(f"no scores of {name} on the evaluation {evaluation}")
        return found

    def find(
        self,
        model: str,
        stage: str,
        condition: str = "",
        evaluation: str = "steps",
        checkpoint: int | None = None,
    ) -> Group | None:
        """Like `group`, but returns None if there are no scores."""
        key = (model, stage, condition, evaluation, checkpoint)
        if key not in self._groups:
            frame = self.frame
            chosen = (
                (frame["model"] == model)
                & (frame["stage"] == stage)
                & (frame["condition"] == condition)
                & (frame["evaluation"] == evaluation)
            )
            if checkpoint is not None:
                chosen &= frame["checkpoint"] == checkpoint
            runs = frame[chosen]
            self._groups[key] = None if runs.empty else make_group(runs, self.statistics.confidence)
        return self._groups[key]

    def unique(self, column: str, **where: object) -> list:
        """The distinct values of a column, in order of appearance.

        where restricts the rows to those with the given column values.
        """
        frame = self.frame
        for name, value in where.items():
            frame = frame[frame[name] == value]
        return frame[column].unique().tolist()


def tabulate(scores: Scores, spans: list[Range]) -> pd.DataFrame:
    """All estimates of an experiment as a data frame, one row per estimate.

    Every measure is estimated on all problems, for each number of steps (or of parts), and for each
    of the given ranges of steps (spans).
    """
    keys = [*RUN_COLUMNS, "checkpoint", "evaluation"]
    rows = []
    for values in scores.frame[keys].drop_duplicates().itertuples(index=False):
        run = dict(zip(keys, values, strict=True))
        rows += [run | row for row in _rows(scores.group(**run), spans)]
    return pd.DataFrame(rows)


def _rows(group: Group, spans: list[Range]) -> list[dict[str, object]]:
    compositions = (group.problems["type"] == COMPOSITION).all()
    difficulty = "parts" if compositions else "steps"
    present = group.values(difficulty)
    everything = Range(low=present[0], high=present[-1])
    covered = [] if compositions else [s for s in spans if set(s.values()) <= set(present)]
    measures, rows = group.tabulated, []
    for type in (ALL_TYPES,) if compositions else (ALL_TYPES, *PROBLEM_TYPES):
        if type != ALL_TYPES and type not in set(group.problems["type"]):
            continue
        for span in dict.fromkeys([everything, *covered, *map(single, present)]):
            label = str(span.low) if span.low == span.high else str(span)
            place = {"type": type, "steps": "", "parts": "", difficulty: label}
            on = Subset(type, parts=span) if compositions else Subset(type, steps=span)
            rows += [
                {**place, "measure": measure, **vars(estimate)}
                for measure, estimate in zip(measures, group.estimates(measures, on), strict=True)
            ]
    return rows


def make_metrics(
    statistics: Statistics, spans: list[Range], scores: list[Path], output: Path
) -> None:
    """Write all estimates of an experiment; see tabulate."""
    table = tabulate(Scores.read(scores, statistics), spans)
    write_whole({output: writer(table, output)})


if __name__ == "__main__":
    run_stage(__doc__)
