"""The report of a tier: one HTML page, which needs no other file and no network.

This module has the content of the page as plain values, and turns it into HTML by the template
page.html.j2, with the style page.css. `operate.report` collects the content from results.
"""

import base64
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup
from pydantic import TypeAdapter, ValidationError

from workflow_scripts.common.errors import StudyError
from workflow_scripts.report.criteria import Verdict
from workflow_scripts.report.interval_plot import Shown, bounds_of, interval_plot
from workflow_scripts.report.product_pages import Caption, Cells
from workflow_scripts.report.quantities import MISSING
from workflow_scripts.report.rollout_links import RolloutIndex
from workflow_scripts.report.tables import format_estimate
from workflow_scripts.report.template import fill

# The pictures may take this many bytes of the page, so that the page stays below 6 MB. The largest
# SVG files are replaced by PNG files until they do.
PICTURE_BYTES = 4_500_000
_SIGNS = {
    Verdict.REPRODUCED: "✓",
    Verdict.INCONCLUSIVE: "?",
    Verdict.NOT_REPRODUCED: "✗",
    Verdict.CONTEXT: "–",
    MISSING: "–",
}
_MOST_VALUES = 6  # of a setting that is a list


@dataclass(frozen=True)
class JudgedQuantity:
    """A quantity of claims.json; see report.quantities.Quantity.to_json."""

    name: str
    primary: bool
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    n_seeds: int
    paper: float | None
    baseline: str
    origin: str
    rule: str
    p_outside: float
    flips_at: float | None
    verdict: Verdict
    note: str

    @property
    def is_measured(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    @property
    def outcome(self) -> str:
        """The verdict, or that the quantity was not measured."""
        return self.verdict if self.is_measured else MISSING

    @property
    def _decimals(self) -> int:
        return 1 if self.value is not None and abs(self.value) >= 10 else 3

    @property
    def _shown(self) -> Shown:
        value, low, high, paper = map(_number, (self.value, self.ci_low, self.ci_high, self.paper))
        return Shown(value, low, high, *bounds_of(self.rule), paper)

    @property
    def estimate(self) -> str:
        """The value with its interval, as on the page claims.md."""
        ours = self._shown
        return format_estimate(ours.value, ours.ci_low, ours.ci_high, decimals=self._decimals)

    @property
    def flips(self) -> str:
        """The bound at which the verdict would change, or an empty text."""
        return "" if self.flips_at is None else f"{self.flips_at:.{self._decimals}f}"

    @property
    def plot(self) -> Markup:
        """The interval against the bounds of the rule, as SVG. Empty if there is no value."""
        return Markup(interval_plot(self._shown))  # it holds numbers alone, and no free text


def _number(value: float | None) -> float:
    return math.nan if value is None else value


@dataclass(frozen=True)
class JudgedClaim:
    """A claim of claims.json; see report.claims.judge."""

    id: str
    statement: str
    verdict: Verdict
    verdict_of_worst: Verdict
    n_primary: int
    n_reproduced: int
    quantities: list[JudgedQuantity]
    shown_in: list[str]

    @property
    def is_measured(self) -> bool:
        """Whether one of the primary quantities has a value."""
        return any(quantity.is_measured for quantity in self.primary)

    @property
    def outcome(self) -> str:
        """The verdict, or that the claim was not measured."""
        return self.verdict if self.is_measured else MISSING

    @property
    def headlines(self) -> list[JudgedQuantity]:
        """The first primary quantity, and the first that has the verdict of the claim."""
        deciding = [each for each in self.primary if each.verdict == self.verdict][:1]
        return list(dict.fromkeys(self.primary[:1] + deciding))

    @property
    def primary(self) -> list[JudgedQuantity]:
        """The quantities that decide the claim."""
        return [quantity for quantity in self.quantities if quantity.primary]

    @property
    def supporting(self) -> list[JudgedQuantity]:
        """The quantities that do not count for the verdict."""
        return [quantity for quantity in self.quantities if not quantity.primary]


_CLAIMS = TypeAdapter(list[JudgedClaim])


def parse_claims(content: Any, source: str) -> list[JudgedClaim]:
    """The claims in the content of claims.json, which comes from the file named by source.

    Raises StudyError if the content has another format, such as that of an earlier version.
    """
    try:
        return _CLAIMS.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise StudyError(
            f"{source} has the format of another version of this study ({place}: {first['msg']}): "
            "make it anew"
        ) from None


@dataclass(frozen=True)
class Picture:
    """The bytes of a figure in both formats."""

    svg: bytes
    png: bytes

    @property
    def svg_uri(self) -> str:
        """The SVG as a data URI. In an <img>, ids of several SVGs cannot clash."""
        return _data_uri("svg+xml", self.svg)

    @property
    def png_uri(self) -> str:
        """The PNG as a data URI."""
        return _data_uri("png", self.png)


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def embed(pictures: dict[str, Picture], limit: int = PICTURE_BYTES) -> dict[str, str]:
    """The data URI of each picture: SVG if possible, PNG for the largest SVGs.

    All of them together have at most limit bytes, if PNGs alone allow that.
    """
    uris = {name: picture.svg_uri for name, picture in pictures.items()}
    for name in sorted(uris, key=lambda name: len(uris[name]), reverse=True):
        if sum(map(len, uris.values())) <= limit:
            break
        uris[name] = min(uris[name], pictures[name].png_uri, key=len)
    return uris


@dataclass(frozen=True)
class ShownFigure:
    """A figure: its name, its caption page, its picture as a data URI, and its file."""

    name: str
    caption: Caption
    picture: str
    file: str


@dataclass(frozen=True)
class ShownTable:
    """A table: its name, its page, and the file with all its numbers."""

    name: str
    cells: Cells
    file: str


@dataclass(frozen=True)
class ShownRun:
    """A training run as part of an experiment, from its run.json.

    own has the settings in which it differs from other runs of its stage in the experiment.
    """

    name: str
    seed: int
    stage: str
    own: dict[str, Any]
    seconds: float
    peak_mib: float | None
    code: str
    commit: str
    device: str


@dataclass(frozen=True)
class MadeBy:
    """What made an experiment's results of one stage; see evaluate.collect.collect_provenance."""

    stage: str
    code: str
    commits: Sequence[str]
    n: int


@dataclass(frozen=True)
class StageCost:
    """The measured cost of the jobs of one stage; a row of cost.measured.cost_by_stage."""

    stage: str
    jobs: int
    wall_minutes: float
    cpu_minutes: float
    longest_seconds: float
    peak_mib: float


@dataclass(frozen=True)
class ShownExperiment:
    """An experiment: its question, its products, its runs, and what they cost.

    absent says why nothing is shown, and is empty if something is. missing names the planned
    figures and tables that are not there. common has, for each training stage, the settings that
    all its runs share. n_planned is the number of runs in the plan.
    """

    name: str
    title: str
    question: str
    design: str
    absent: str = ""
    figures: list[ShownFigure] = field(default_factory=list)
    tables: list[ShownTable] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    runs: list[ShownRun] = field(default_factory=list)
    n_planned: int = 0
    common: dict[str, dict[str, Any]] = field(default_factory=dict)
    made_by: list[MadeBy] = field(default_factory=list)
    costs: list[StageCost] = field(default_factory=list)

    @property
    def devices(self) -> list[str]:
        """The devices on which the runs were trained."""
        return list(dict.fromkeys(run.device for run in self.runs))


@dataclass(frozen=True)
class Page:
    """Everything on the page.

    note and interval_note are those of all products (report.inputs). commits has the date of each
    commit that made results, empty if it is not known. hours are the wall hours of the n_measured
    jobs whose cost was measured, of n_jobs. docs is the relative path from the page to the folder
    docs. rollouts leads to the page of rollouts, if there is one.
    """

    tier: str
    note: str
    interval_note: str
    recorded: bool
    seeds: list[int]
    commits: dict[str, str]
    hours: float
    n_measured: int
    n_jobs: int
    claims: list[JudgedClaim]
    experiments: list[ShownExperiment]
    docs: str
    rollouts: RolloutIndex | None = None

    @property
    def tally(self) -> dict[str, int]:
        """The number of claims with each outcome, in the order of the signs."""
        counts = Counter(claim.outcome for claim in self.claims)
        return {outcome: counts[outcome] for outcome in _SIGNS if outcome in counts}

    @property
    def absent(self) -> list[ShownExperiment]:
        """The experiments of which nothing is shown."""
        return [experiment for experiment in self.experiments if experiment.absent]

    @property
    def products(self) -> set[str]:
        """The figures and tables on the page, as in JudgedClaim.shown_in."""
        return {
            f"{kind}/{product.name}"
            for experiment in self.experiments
            for kind in ("figures", "tables")
            for product in getattr(experiment, kind)
        }


def anchor(product: str) -> str:
    """The id of a figure or table on the page: "figures-routing" for "figures/routing"."""
    return product.replace("/", "-")


def pieces(cell: str) -> list[str]:
    """The parts of a cell between which a line may break: value, interval and paper's value."""
    found = re.fullmatch(r"(-?[\d.]+)(?: (\[.*?\]))?(?: (\(.*\)))?", cell)
    return [part for part in found.groups() if part] if found else [cell]


def brief(value: Any) -> str:
    """A setting as text. Of a long list, the first and last values."""
    if isinstance(value, list) and len(value) > _MOST_VALUES:
        return f"[{value[0]}, {value[1]}, … {value[-1]}] ({len(value)} values)"
    return str(value)


def render(page: Page) -> str:
    """The page as HTML."""
    helpers = {"signs": _SIGNS, "anchor": anchor, "pieces": pieces, "brief": brief}
    return fill("page.html.j2", page=page, **helpers)
