"""Collects a sample of the rollouts of a tier for the page of rollouts (report.rollouts_page)."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from workflow_scripts.evaluate.storage import read_table
from workflow_scripts.experiments.runs import Member
from workflow_scripts.operate.places import REPORT
from workflow_scripts.operate.report_content import Source, words_of
from workflow_scripts.operate.shared_models import PROBLEMS_OF_A_KIND, sample_of
from workflow_scripts.plan.study import Run, Study
from workflow_scripts.report.inputs import SFT
from workflow_scripts.report.response_lines import mark_lines
from workflow_scripts.report.rollouts_page import (
    Lineage,
    Rollouts,
    ShownProblem,
    ShownResponse,
    Stage,
)
from workflow_scripts.task.label import Label

# The texts of the responses may take this many characters, so that the page stays below 6 MB.
# Whole seeds are left out, from the last one, until they do.
CHARACTERS = 3_500_000
_RECORDED = "steps"  # the evaluation whose rollouts are recorded
_COLUMNS = ["run", *ShownProblem._fields, "text", "reward", *Label._fields]


class _Sampled(NamedTuple):
    """A run in an evaluation whose responses were sampled and labelled."""

    run: Run
    evaluation: str


def collect_rollouts(source: Source) -> Rollouts | None:
    """The content of the page of rollouts, or None if the results have no rollouts.

    Raises StudyError if a file is damaged.
    """
    study, sampled = source.plan.study, _sampled(source)
    frame = _recorded(source, sampled) if source.recorded else _first_seeds(source, sampled)
    if frame.empty:
        return None
    lineages = list(_lineages(study, set(frame["run"])))
    experiments = list(dict.fromkeys(lineage.experiment for lineage in lineages))
    runs = {member.run.name for name in experiments for member in study.members[name]}
    n_all = sum(_n_responses(study, each) for each in sampled if each.run.name in runs)
    problems = _problems(frame)
    return Rollouts(
        study.tier,
        _drawn(len(frame), n_all, {study.runs[run].seed for run in frame["run"]}),
        {name: words_of(study.experiments[name])[0] for name in experiments},
        tuple(dict.fromkeys(each.evaluation for each in sampled)),
        lineages,
        list(problems),
        _responses(frame, problems),
        REPORT,
    )


# ---- the sample --------------------------------------------------------------------------------


def _sampled(source: Source) -> list[_Sampled]:
    """What was sampled and labelled, and may be shown, by seed."""
    study = source.plan.study
    everything = {
        (member.run.name, evaluation): _Sampled(member.run, evaluation)
        for members in study.members.values()
        for member in members
        for evaluation in member.evaluations
        if _is_shown(source, f"labels/{member.run.name}/{evaluation}", evaluation)
    }
    return sorted(everything.values(), key=lambda each: each.run.seed)


def _is_shown(source: Source, job: str, evaluation: str) -> bool:
    """Whether responses of an evaluation may be shown. job is the one that labels them.

    The evaluation pass_at_k is left out: it samples problems that the evaluation steps has too.
    """
    if source.recorded:
        return job in source.jobs and evaluation == _RECORDED
    return source.find(job, "labels") is not None and evaluation != "pass_at_k"


def _recorded(source: Source, sampled: Iterable[_Sampled]) -> pd.DataFrame:
    """The recorded sample of these runs. Its problems have one part each."""
    file = source.folder / "rollouts.csv"
    if not file.is_file():
        return pd.DataFrame(columns=_COLUMNS)
    frame = read_table(file, [name for name in _COLUMNS if name != "parts"]).assign(parts=1)
    shown = {each.run.name for each in sampled}
    return frame.loc[frame["run"].isin(shown), _COLUMNS]


def _first_seeds(source: Source, sampled: Iterable[_Sampled]) -> pd.DataFrame:
    """A sample like the recorded one, of as many seeds as the page has room for."""
    frames: list[pd.DataFrame] = []
    for _, of_seed in groupby(sampled, key=lambda each: each.run.seed):
        added = [_sample(source.plan.study, each) for each in of_seed]
        if frames and _characters(frames) + _characters(added) > CHARACTERS:
            break
        frames += added
    return pd.concat(frames) if frames else pd.DataFrame(columns=_COLUMNS)


def _sample(study: Study, sampled: _Sampled) -> pd.DataFrame:
    files = (study.evaluation_file, study.labels_file, study.problems_file)
    frame = sample_of(*(Path(file(sampled.run, sampled.evaluation)) for file in files))
    return frame.assign(run=sampled.run.name)[_COLUMNS]


def _characters(frames: Iterable[pd.DataFrame]) -> int:
    return sum(int(frame["text"].str.len().sum()) for frame in frames)


def _n_responses(study: Study, sampled: _Sampled) -> int:
    """The number of responses that an evaluation samples of a run."""
    size = study.evaluations[sampled.evaluation].size
    assert size is not None, "an exact evaluation has no labels"
    return (size.n_problems or study.settings.data.validation_problems) * size.n_samples


def _drawn(n: int, n_all: int, seeds: set[int]) -> str:
    """The sentences that say how the responses were drawn."""
    listed = ", ".join(map(str, sorted(seeds)))
    return (
        f"{n:,} of {n_all:,} sampled responses: of each run of seed{'s' * (len(seeds) > 1)} "
        f"{listed}, the first response to each of the first {PROBLEMS_OF_A_KIND} problems of every "
        "kind (type, number of steps, number of parts). No result decided what is shown. The "
        "numbers of the report are over all seeds, problems and samples, so shares on this page "
        "differ from them. The samples for pass@k and those of RL training are not here."
    )


# ---- in the form of the page -------------------------------------------------------------------


def _lineages(study: Study, runs: set[str]) -> Iterator[Lineage]:
    """The lineages of each experiment, of those runs that are shown.

    An experiment whose shown runs are all of earlier experiments has nothing of its own to show.
    """
    known: set[str] = set()
    for experiment, members in study.members.items():
        mine = runs.intersection(member.run.name for member in members)
        if mine <= known:
            continue
        known |= mine
        stages: dict[tuple[str, str, str], list[Stage]] = {}
        for member in members:
            if member.run.name in runs:
                key = (member.run.sft.name, member.model, member.condition)
                stages.setdefault(key, []).append(_stage(member))
        for (sft, model, condition), reached in stages.items():
            if sft in runs and not any(stage.run == sft for stage in reached):
                reached.insert(0, Stage(SFT, sft, 0))  # a run of another experiment
            seed = study.sft_runs[sft].seed
            yield Lineage(experiment, model, condition, seed, tuple(reached))


def _stage(member: Member) -> Stage:
    run = member.run
    rl_steps = 0 if run.name == run.sft.name else run.settings.rl.steps
    return Stage(member.stage, run.name, rl_steps)


def _problems(frame: pd.DataFrame) -> dict[ShownProblem, int]:
    """The problems, the easiest first, each with its index."""
    rows = frame[list(ShownProblem._fields)].drop_duplicates()
    rows = rows.sort_values(["parts", "steps", "type"], kind="stable")
    problems = (ShownProblem(*row) for row in rows.itertuples(index=False, name=None))
    return {problem: index for index, problem in enumerate(problems)}


def _responses(
    frame: pd.DataFrame, problems: dict[ShownProblem, int]
) -> dict[str, list[ShownResponse]]:
    """The responses of each run, with marked lines."""
    responses: dict[str, list[ShownResponse]] = {}
    n_keys = 1 + len(ShownProblem._fields)
    for row in frame[_COLUMNS].itertuples(index=False, name=None):
        run, problem = row[0], problems[ShownProblem(*row[1:n_keys])]
        text, reward, *fields = row[n_keys:]
        label, is_right = Label(*fields), reward == 1
        responses.setdefault(run, []).append(
            ShownResponse(problem, mark_lines(text, label, is_right), is_right, label)
        )
    return responses
