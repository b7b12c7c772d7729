"""Links from numbers of the report to the rollouts behind them, on the page of rollouts.

A number names its runs, its evaluation and its problems in words that readers see: a quantity in
its name and origin, a number of a table in the words around it. These words are compared with the
names of the runs that the page has. A number whose runs cannot be found this way has no link.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import compress
from urllib.parse import quote, urlencode

from workflow_scripts.evaluate.metrics import ALL_TYPES
from workflow_scripts.report.inputs import FITTING_TYPE
from workflow_scripts.report.product_pages import Cells
from workflow_scripts.report.rollouts_page import Lineage, Rollouts
from workflow_scripts.task.problems import PROBLEM_TYPES

_STEPS = re.compile(r"\b(\d+-\d+) steps\b")
_NUMBER = re.compile(r"\d+(-\d+)?")
_KEYS = {"model", "stage", "type", "steps"}  # columns of tables that are filters of the page
_CROSS_ENTROPY = "cross-entropy"  # of the solutions in held-out SFT data, without rollouts
# Evaluations whose numbers are not of the rollouts on the page, but of the same models.
_EXACT, _PASS_AT_K = "exact", "pass_at_k"
NOTES = {
    _EXACT: "sampled; the number itself is exact, without samples",
    _PASS_AT_K: "other samples of the same models than those that were counted",
}


@dataclass(frozen=True)
class View:
    """A choice of filters of the page of rollouts. An empty filter lets everything pass.

    steps and parts are numbers or ranges such as 6-9.
    """

    experiment: str
    model: str = ""
    stage: str = ""
    condition: str = ""
    type: str = ""
    steps: str = ""
    parts: str = ""

    @property
    def fragment(self) -> str:
        """The filters as the fragment of an address: "experiment=main&model=FB&steps=6-9"."""
        chosen = [(each.name, getattr(self, each.name)) for each in fields(self)]
        return urlencode([pair for pair in chosen if pair[1]], safe="()", quote_via=quote)


@dataclass(frozen=True)
class Link:
    """A link to rollouts: the name of their runs, and the view."""

    runs: str
    view: View


@dataclass(frozen=True)
class Links:
    """The links of a quantity, one for each side of a difference, and what to know about them."""

    links: Sequence[Link] = ()
    note: str = ""


@dataclass(frozen=True)
class RolloutIndex:
    """The runs on the page of rollouts, and the file of that page."""

    file: str
    rollouts: Rollouts

    def has(self, experiment: str) -> bool:
        """Whether the page has rollouts of an experiment."""
        return experiment in self.rollouts.titles

    def href(self, view: View) -> str:
        """The address of a view."""
        return f"{self.file}#{view.fragment}"

    def href_of(self, experiment: str) -> str:
        """The address of the rollouts of an experiment."""
        return self.href(View(experiment))

    def of_quantity(self, origin: str, name: str) -> Links:
        """The links of a quantity, from its origin and its name in claims.json.

        An origin reads "main: FB RL(6-9) less FB SFT, steps, pass@1".
        """
        experiment, _, rest = origin.partition(": ")
        runs, evaluation, *_ = [*rest.split(", "), ""]
        views = self._views(experiment)
        sides = runs.split(" less ")
        is_sampled = evaluation in self.rollouts.evaluations or evaluation in NOTES
        if not is_sampled or any(side not in views for side in sides):
            return Links()
        types = [type for type in PROBLEM_TYPES if re.search(rf"\b{type}\b", name)]
        steps = _STEPS.search(name)
        problems = {
            "type": types[0] if len(types) == 1 else "",
            "steps": steps.group(1) if steps else "",
        }
        links = [Link(side, replace(views[side], **problems)) for side in sides]
        return Links(links, NOTES.get(evaluation, ""))

    def of_cells(self, experiment: str, cells: Cells) -> list[list[View | None]]:
        """The views behind the cells of a table, by row and column.

        A cell has a view only if the words around it say of which runs and problems it is.
        """
        words = (cells.title, *cells.above)
        stages = {name for _, name in self._runs(experiment) if name in cells.title.split()}
        steps = {found for line in words for found in _STEPS.findall(line)}
        around = View(
            experiment,
            stage=stages.pop() if len(stages) == 1 else "",
            steps=steps.pop() if len(steps) == 1 else "",
        )
        columns = zip(*cells.rows, strict=True)
        # A column without any interval says of which runs and problems the others are.
        is_key = [not any("[" in text for text in column) for column in columns]
        return [self._of_row(around, cells.header, row, is_key) for row in cells.rows]

    def _of_row(
        self, around: View, header: Sequence[str], row: Sequence[str], is_key: Sequence[bool]
    ) -> list[View | None]:
        pairs = list(zip(header, row, strict=True))
        keys = dict(compress(pairs, is_key))
        return [
            None if key or not text else self._of_cell(around, name, keys)
            for (name, text), key in zip(pairs, is_key, strict=True)
        ]

    def _of_cell(self, around: View, header: str, keys: dict[str, str]) -> View | None:
        """The view behind a cell. around has what the words above the table say."""
        if header.startswith(_CROSS_ENTROPY) or not keys.keys() <= _KEYS:
            return None
        named = {key: "" if value == ALL_TYPES else value for key, value in keys.items()}
        view = replace(around, **named)
        view = replace(view, **self._of_header(view, header))
        known = self._runs(around.experiment).get((view.model, view.stage), set())
        return view if known == {""} else None

    def _of_header(self, view: View, text: str) -> dict[str, str]:
        """The filters that the header of a column stands for."""
        if _NUMBER.fullmatch(text):
            return {self._number(view.experiment): text}
        if any(text == stage for _, stage in self._runs(view.experiment)):
            return {"stage": text}
        if text.endswith("on the fitting type"):
            return {"type": FITTING_TYPE.get(view.model, "")}
        last = text.rpartition(", ")[2]
        return {"type": last} if last in PROBLEM_TYPES else {}

    def _number(self, experiment: str) -> str:
        """What a number above a column counts: steps, or the parts of compositions."""
        runs = {stage.run for each in self._lineages(experiment) for stage in each.stages}
        has_parts = any(
            self.rollouts.problems[response.problem].parts > 1
            for run in runs
            for response in self.rollouts.responses[run]
        )
        return "parts" if has_parts else "steps"

    def _runs(self, experiment: str) -> dict[tuple[str, str], set[str]]:
        """The conditions of the runs of an experiment, by model and stage."""
        runs: dict[tuple[str, str], set[str]] = {}
        for each in self._lineages(experiment):
            for stage in each.stages:
                runs.setdefault((each.model, stage.name), set()).add(each.condition)
        return runs

    def _views(self, experiment: str) -> dict[str, View]:
        """A view for each name of runs in an experiment: model, stage and condition."""
        return {
            " ".join(filter(None, (each.model, stage.name, each.condition))): View(
                experiment, each.model, stage.name, each.condition
            )
            for each in self._lineages(experiment)
            for stage in each.stages
        }

    def _lineages(self, experiment: str) -> Iterator[Lineage]:
        return (each for each in self.rollouts.lineages if each.experiment == experiment)
