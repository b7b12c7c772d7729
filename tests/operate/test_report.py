"""The report, of recorded results of the smoke tier whose files are small stand-ins."""

import base64
import json
import math
import re
import subprocess
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.conftest import ROOT, load_tier
from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, write_json
from workflow_scripts.evaluate.statistics import Estimate
from workflow_scripts.operate import report
from workflow_scripts.operate.receipts import Judgement, State, Verdict
from workflow_scripts.operate.reference import REFERENCE
from workflow_scripts.operate.report import pages, recorded, write_report
from workflow_scripts.operate.report_content import (
    Source,
    collect_claims,
    collect_page,
    commit_date,
    common_settings,
)
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.products import claim_parts, figures, tables
from workflow_scripts.plan.study import Study
from workflow_scripts.report.claims import make_claims
from workflow_scripts.report.criteria import Criterion
from workflow_scripts.report.page import Page, parse_claims, render
from workflow_scripts.report.quantities import Quantity

DOCS = "../../docs"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><title>{name}</title><g id="axes_1"/></svg>'
EXPERIMENTS = ["main", "amplification", "composition", "diversity"]
EXPERIMENTS += ["robustness", "field13", "longer"]
VOID = {"meta", "img", "br", "link", "rect", "line", "circle", "path"}


class Checked(HTMLParser):
    """Reads HTML, and refuses elements that are not closed in order."""

    def __init__(self, html: str):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[int] = []
        self.elements: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        assert len(named) == len(attrs), f"an attribute of {tag} stands twice"
        self.elements.append((tag, named))
        self.ids += [named["id"]] if "id" in named else []
        self.links += [named[key] for key in ("href", "src") if key in named]
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(Study(load_tier("smoke")))


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def quantities(experiment: str, claim: str) -> list[dict]:
    """A quantity that is reproduced, one that is not, one without an interval, one not measured."""
    rule = Criterion("as <the paper> says", low=0.5, high=0.9)
    origin = f"FB & B, {claim}"
    made = [
        Quantity(f"{claim} of {experiment}", rule, True, 0.7123, "chance: 0.091", origin, estimate)
        for estimate in (
            Estimate(0.61234, 0.55, 0.68, 512, 3, 4, 0.01, 0.01),
            Estimate(0.1, 0.05, 0.15, 512, 3, 4, 0.01, 0.01),
        )
    ]
    lonely = Estimate(12.5, math.nan, math.nan, 0, 1, 99, math.nan, math.nan)
    made.append(Quantity(f"{claim} alone", Criterion("context"), False, estimate=lonely))
    made.append(Quantity(f"{claim} missing", rule, False))
    return [quantity.to_json() for quantity in made]


def record(stage: str, seed: int, **changes) -> dict:
    settings = {"model": {"device": "cpu"}, "rl": {"steps": 3, "learning_rate": 0.1, **changes}}
    return {
        "stage": f"workflow_scripts.train.{stage}",
        "settings": settings,
        "seed": seed,
        "code_hash": "ab12cd34",
        "commit": "c0ffee",
        "device": "stand-in",
        "wall_seconds": 90.0,
        "peak_memory_mib": None,
    }


def make_results(plan: Plan, folder: Path) -> None:
    """What make reference leaves: without models and rollouts."""
    for name in figures(plan.study):
        write(folder / f"figures/{name}.svg", SVG.format(name=name))
        write(folder / f"figures/{name}.png", "png")
        write(folder / f"figures/{name}.md", f"# Caption of {name}\n\nRead <{name}>.\n\nfooter\n")
    for name in tables(plan.study):
        cells = "| model | pass@1 |\n|:--|:--|\n| F & B | 0.5 [0.4, 0.6] |\n"
        write(folder / f"tables/{name}.md", f"# Table {name}\n\nnote\n\n{cells}\nReading.\n")
    parts = []
    for part in claim_parts(plan.study):
        named = {kind: folder / f"{kind}/{part.experiment}.json" for kind in KINDS}
        content = {claim: quantities(part.experiment, claim) for claim in part.shown_in}
        write_json(named["quantities"], content)
        parts.append(replace(part, **named))
    for experiment in plan.study.experiments:
        stage = {"code_hash": "ab12cd34", "commits": ["c0ffee"], "n": 2}
        write_json(folder / f"provenance/{experiment}.json", {"workflow_scripts.train.sft": stage})
    for name, run in plan.study.runs.items():
        stage = "grpo" if run.folder == "rl" else "sft"
        changes = {"kl_coefficient": 0.05} if "kl_coefficient" in name else {}
        path = folder / plan.study.run_name(run) / "run.json"
        write_json(path, record(stage, run.seed, **changes))
    make_claims(plan.study.settings.shared, parts, folder / "claims.json", folder / "claims.md")
    rows = ["stage,job,wall_seconds,cpu_seconds,peak_mib", "sft,FB-s0,3600,60,100"]
    write(folder / "cost.csv", "\n".join([*rows, "rollouts,FB-s0-steps,1800,60,100"]) + "\n")


KINDS = ("quantities", "provenance")


@pytest.fixture(scope="module")
def results(plan, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "reference"
    make_results(plan, folder)
    return folder


@pytest.fixture(scope="module")
def source(plan, results) -> Source:
    return recorded(plan, ["all"], results)


@pytest.fixture(scope="module")
def page(source) -> Page:
    return collect_page(source, DOCS)


@pytest.fixture(scope="module")
def html(page) -> str:
    return render(page)


@pytest.fixture(scope="module")
def checked(html) -> Checked:
    return Checked(html)


def test_the_page_is_whole_and_its_ids_are_unique(checked, html):
    assert html.startswith("<!DOCTYPE html>")
    assert not [name for name, n in Counter(checked.ids).items() if n > 1]
    assert not re.search(r"\{\{|\}\}|\{%|None|Undefined|nan\b", html.partition("</style>")[2])


def test_links_lead_to_a_place_on_the_page_the_paper_or_the_documentation(checked):
    for link in checked.links:
        if link.startswith("#"):
            assert link[1:] in checked.ids
        elif link.startswith(f"{DOCS}/"):
            file, _, place = link.removeprefix("../../").partition("#")
            headings = re.findall(r"^#+ (.*)", (ROOT / file).read_text(), re.MULTILINE)
            assert not place or place in {
                re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings
            }
        else:
            assert link.startswith(("data:image/", "https://arxiv.org/"))
    names = {name for tag, _ in checked.elements for name in [tag]}
    assert not names & {"script", "iframe", "link"}


def test_nothing_is_loaded_from_elsewhere(html):
    assert set(re.findall(r"https?://[^/\"\s]+", html)) == {"https://arxiv.org"}
    assert "@import" not in html
    assert "url(" not in html


def test_every_figure_and_every_table_is_there_once(plan, checked):
    for name in figures(plan.study):
        assert checked.ids.count(f"figures-{name}") == 1
    for name in tables(plan.study):
        assert checked.ids.count(f"tables-{name}") == 1
    drawn = [base64.b64decode(image["src"].partition(",")[2]) for image in checked.all("img")]
    assert Counter(drawn) == Counter(SVG.format(name=n).encode() for n in figures(plan.study))


def test_images_tables_and_headings_can_be_read_aloud(plan, checked):
    alts = {image["alt"] for image in checked.all("img")}
    assert alts == {f"Caption of {name}" for name in figures(plan.study)}
    assert all(header.get("scope") in ("row", "col", "rowgroup") for header in checked.all("th"))
    assert checked.headings[0] == 1
    assert checked.headings.count(1) == 1
    steps = zip(checked.headings, checked.headings[1:], strict=False)
    assert all(later <= earlier + 1 for earlier, later in steps)
    for box in (each for each in checked.all("div") if each.get("class") == "scroll"):
        assert box["tabindex"] == "0"
        assert box["aria-label"]
    assert checked.all("html")[0]["lang"] == "en"
    assert checked.links[0] == "#verdicts"


def test_numbers_and_verdicts_are_those_of_the_claims(results, checked, html):
    claims = read_json(results / "claims.json")
    everything = [quantity for claim in claims for quantity in claim["quantities"]]
    measured = [each for each in everything if each["value"] is not None]
    shown = [float(data["value"]) for data in checked.all("data")]
    assert Counter(shown) == Counter(quantity["value"] for quantity in measured)
    rows = [element for element in checked.all("tr") if element.get("class") == "quantity"]
    assert len(rows) == len(everything)
    headlines = [each for claim in parse_claims(claims, "") for each in claim.headlines]
    drawn = [each for each in headlines if each.is_measured]
    assert len(checked.all("svg")) == len(measured) + len(drawn)
    for claim in claims:
        told = f"{claim['n_reproduced']} of {claim['n_primary']} reproduced"
        section = html.partition(f'<h3 id="claim-{claim["id"]}">')[2].partition("</h3>")[0]
        assert told in section
        assert claim["verdict"] in section
    estimate = '<span class="nowrap">0.612</span> <span class="nowrap">[0.550, 0.680]</span>'
    for text in (estimate, "0.7123", "FB &amp; B, C1", "as &lt;the paper&gt; says"):
        assert text in html


def test_the_smoke_tier_says_that_it_means_nothing(page, html):
    assert "Smoke tier: no scientific meaning" in html
    assert "Smoke tier" not in render(replace(page, tier="laptop"))


def test_seeds_commits_and_cost_are_told(page):
    assert page.seeds == [0]
    assert page.commits == {"c0ffee": ""}
    assert (page.hours, page.n_measured) == (1.5, 2)
    assert page.n_jobs > 100
    shown = {experiment.name: experiment for experiment in page.experiments}
    assert [cost.stage for cost in shown["main"].costs] == ["sft", "rollouts"]
    assert shown["main"].made_by[0].code == "ab12cd34"
    assert shown["field13"].costs == []
    assert list(shown) == EXPERIMENTS
    assert shown["amplification"].question.startswith("Test whether the share")


def test_settings_that_runs_share_are_told_once(page):
    shown = next(each for each in page.experiments if each.name == "robustness")
    assert shown.common["grpo"]["rl.steps"] == 3
    own = [run.own for run in shown.runs if "kl_coefficient" in run.name]
    assert own == [{"rl.kl_coefficient": 0.05}]
    assert all(run.own == {} for run in shown.runs if "kl_coefficient" not in run.name)
    assert shown.n_planned == len(shown.runs)


def test_shared_settings_are_those_of_all_runs_of_a_stage():
    records = [record("grpo", 0, steps=3), record("grpo", 1, steps=4), record("sft", 0)]
    common = common_settings(records)
    assert "rl.steps" not in common["grpo"]
    assert common["grpo"]["rl.learning_rate"] == 0.1
    assert common["sft"]["rl.steps"] == 3


def test_what_is_missing_is_told(plan, tmp_path):
    make_results(plan, tmp_path)
    for file in [*tmp_path.glob("*/longer.*"), tmp_path / "figures/routing.svg"]:
        file.unlink()
    html = render(collect_page(recorded(plan, ["all"], tmp_path), DOCS))
    checked = Checked(html)
    assert "figures-longer" not in checked.ids
    assert "Nothing of it is shown: it is not recorded." in html
    assert "Not in these results: figures/routing." in html
    assert "figures/routing (not in this report)" in html
    assert all(link[1:] in checked.ids for link in checked.links if link.startswith("#"))


def test_targets_choose_what_is_shown(plan, results):
    page = collect_page(recorded(plan, ["fig_routing", "field13"], results), DOCS)
    assert [each.name for each in page.experiments if not each.absent] == ["main", "field13"]
    assert [figure.name for figure in page.experiments[0].figures] == ["routing"]
    assert "table1" in " ".join(page.experiments[0].missing)


def test_claims_that_were_not_judged_are_judged_by_what_was_measured(plan, results):
    source = recorded(plan, ["main"], results)
    (c1,) = [claim for claim in collect_claims(source) if claim.id == "C1"]
    assert (c1.n_reproduced, c1.n_primary) == (1, 2)
    c9 = next(claim for claim in collect_claims(source) if claim.id == "C9")
    assert {each.name for each in c9.quantities} == {
        f"the experiment {name}" for name in ("robustness", "field13", "longer")
    }
    nothing = replace(source, jobs=frozenset())
    assert collect_claims(nothing) == []
    assert "No claim was judged" in render(collect_page(nothing, DOCS))


def test_large_figures_do_not_make_a_large_page(plan, tmp_path):
    make_results(plan, tmp_path)
    for file in tmp_path.glob("figures/*.svg"):
        file.write_text("<svg>" + " " * 400_000 + "</svg>")
    path = write_report(recorded(plan, ["all"], tmp_path))
    assert path == tmp_path / "report.html"
    assert path.stat().st_size < 6_000_000
    images = Checked(path.read_text()).all("img")
    assert {image["src"].partition(";")[0] for image in images} == {
        "data:image/png",
        "data:image/svg+xml",
    }


def test_a_finished_study_is_shown_with_its_measured_cost(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_results(plan, Path("results/smoke"))
    write(Path("results/smoke/benchmarks/rl/FB-s0-rl6-9.tsv"), "s\tcpu_time\tmax_rss\n360\t1\t2\n")
    all_good = {name: Verdict(State.GOOD) for name in plan.jobs}
    monkeypatch.setattr(report, "judge_jobs", lambda *_: Judgement({}, all_good))
    path = write_report(report.finished(plan, ["all"]))
    assert path == Path("results/smoke/report.html")
    html = path.read_text()
    assert "a finished run: every result was checked" in html
    assert "0.1 hours, one job after the other: 1 of" in html
    assert f'href="{DOCS}/configuration.md"' in html
    assert len(Checked(html).all("img")) == len(figures(plan.study))


def test_the_recorded_pages_are_those_of_the_recorded_results(monkeypatch):
    monkeypatch.chdir(ROOT)
    source = recorded(Plan(Study(load_tier("laptop"))), ["all"], REFERENCE / "laptop")
    days = re.compile(r"\d{4}-\d\d-\d\d")  # of commits, which not every clone has
    for name, html in pages(source).items():
        kept = (source.folder / name).read_text()
        assert days.sub("", kept) == days.sub("", html), f"make report RECORDED=yes: {name} is old"


def test_results_that_are_not_good_are_refused(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match="results/smoke is not finished"):
        report.finished(plan, ["fig_routing"])
    with pytest.raises(StudyError, match="no recorded results of the tier smoke"):
        recorded(plan, ["all"], tmp_path / "reference")


def test_the_day_of_a_commit_is_known_if_the_clone_has_it():
    shown = subprocess.run(
        ["git", "log", "-1", "--format=%H %cs"], cwd=ROOT, capture_output=True, text=True
    )
    commit, day = shown.stdout.split()
    assert commit_date(commit) == commit_date(f"{commit}-dirty") == day
    assert commit_date("no commit") == ""
    assert json.dumps(commit_date("0" * 40)) == '""'
