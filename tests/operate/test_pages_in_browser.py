"""The report and the page of rollouts in a real browser, made of the recorded laptop tier."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pandas as pd
import pytest
from playwright.sync_api import Page, sync_playwright

from tests.conftest import ROOT, load_tier
from workflow_scripts.operate.places import REPORT, ROLLOUTS
from workflow_scripts.operate.report import recorded, write_report
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.study import Study
from workflow_scripts.report.response_lines import MISTAKE_NAMES

RECORDED = ROOT / "results/reference/laptop"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PAGES = (REPORT, ROLLOUTS)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    results = tmp_path_factory.mktemp("pages") / "laptop"
    shutil.copytree(RECORDED, results, ignore=shutil.ignore_patterns("models"))
    write_report(recorded(Plan(Study(load_tier("laptop"))), ["all"], results))
    return results


class Browser:
    """A page of the browser, with what went wrong on it and what it loaded from elsewhere."""

    def __init__(self, page: Page, folder: Path):
        self.page, self.folder = page, folder
        self.wrong: list[str] = []
        page.on("console", lambda message: self.wrong.append(message.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", self._note_request)

    def _note_request(self, request) -> None:
        if not request.url.startswith(("data:", self.folder.as_uri())):
            self.wrong.append(request.url)

    def open(self, name: str, fragment: str = "", width: int = 1280) -> None:
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.goto("about:blank")  # otherwise another fragment alone would not load the page
        self.wrong.clear()
        self.page.goto(f"{(self.folder / name).as_uri()}#{fragment}")

    def count(self) -> int:
        """The number of responses that pass the filters, as the page tells it."""
        return int(self.page.locator("#count").inner_text().split(" ")[0].replace(",", ""))


@pytest.fixture(scope="module")
def browser(folder) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield Browser(chromium.new_page(), folder)
        chromium.close()


@pytest.fixture(scope="module")
def responses() -> pd.DataFrame:
    """The recorded responses, with what the filters are about."""
    frame = pd.read_csv(RECORDED / "rollouts.csv", keep_default_na=False)
    names = frame["run"].str.extract(r"^(?P<model>\w+)-s(?P<seed>\d+)(?:-rl(?P<rl>.+))?$")
    stage = ("RL(" + names["rl"] + ")").fillna("SFT")
    return frame.join(names[["model", "seed"]]).assign(
        stage=stage,
        answer=frame["reward"].map({1.0: "right", 0.0: "wrong"}),
        mistake=frame["mistake"].replace({**MISTAKE_NAMES, "": "not judged"}),
        mode=frame["mode"].replace({"guess": "guess and check"}),
        strategy=frame["direction"],
    )


def select(responses: pd.DataFrame, fragment: str) -> pd.DataFrame:
    """The responses that the filters of a fragment let pass."""
    for key, (value,) in parse_qs(fragment).items():
        if key == "steps":
            low, _, high = value.partition("-")
            responses = responses[responses["steps"].between(int(low), int(high or low))]
        elif key != "experiment":
            responses = responses[responses[key] == value]
    return responses


@pytest.mark.parametrize("name", PAGES)
def test_the_page_works_without_errors_and_without_loading_anything(browser, name):
    browser.open(name)
    assert browser.wrong == []
    images = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert browser.page.evaluate(images) == 0


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(browser, name, folder):
    browser.open(name)
    links = browser.page.evaluate("[...document.links].map(link => link.getAttribute('href'))")
    ids = set(browser.page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)"))
    for link in set(links):
        file, _, place = link.partition("#")
        if not file:
            assert place in ids, link
        elif not link.startswith(("https://arxiv.org/", "../../docs/")):
            assert (folder / file).is_file(), link


def test_numbers_of_the_report_lead_to_the_rollouts_that_they_name(browser, responses):
    browser.open(REPORT)
    links = browser.page.evaluate("[...document.links].map(link => link.getAttribute('href'))")
    fragments = sorted({link.partition("#")[2] for link in links if f"{ROLLOUTS}#" in link})
    assert len(fragments) > 20
    browser.open(ROLLOUTS)
    told = browser.page.evaluate(
        """fragments => fragments.map(fragment => {
            location.hash = fragment;
            start();
            const unknown = document.getElementById("unknown");
            return [document.getElementById("count").textContent, unknown.hidden];
        })""",
        fragments,
    )
    for fragment, (count, all_known) in zip(fragments, told, strict=True):
        n = len(select(responses, fragment))
        assert n > 0, fragment
        assert count.startswith(f"{n:,} responses"), fragment
        assert all_known, fragment


def test_a_view_can_be_chosen_and_linked(browser, responses):
    browser.open(ROLLOUTS)
    assert browser.count() == len(responses)
    page = browser.page
    chosen = {"model": "FB", "stage": "SFT", "type": "inversion", "steps-low": "6"}
    chosen |= {"mistake": "one line too many", "mode": "direct"}
    for field, value in chosen.items():
        page.locator(f"#{field}").select_option(value)
    page.locator("#answer").press("End")  # by keyboard, the last option: wrong
    fragment = page.evaluate("decodeURIComponent(location.hash.slice(1)).replaceAll('+', ' ')")
    expected = select(responses, fragment)
    assert "steps=6-9" in fragment
    assert "mistake=one line too many" in fragment
    assert "answer=wrong" in fragment
    assert browser.count() == len(expected) > 0
    cards = page.locator("article")
    assert cards.count() == min(len(expected), 20)
    shown = cards.first.locator(".response:not(.outside)")
    assert "After SFT" in shown.inner_text()
    assert shown.locator(".bad .mark").first.inner_text() == "✗ one line too many"
    assert cards.first.locator(".response").count() == 3  # before and after RL, side by side
    page.reload()
    assert browser.count() == len(expected)
    page.locator("#reset").press("Enter")
    assert browser.count() == len(responses)


def test_all_responses_can_be_reached_and_unknown_filters_are_told(browser):
    browser.open(ROLLOUTS, "model=FB&stage=RL(7-8)&strategy=forward")
    assert browser.page.locator("#unknown").inner_text() == (
        "No response on this page has stage=RL(7-8): left out."
    )
    before = browser.page.locator("article").count()
    browser.page.locator("#more").press("Enter")
    assert before < browser.page.locator("article").count() <= 2 * before
    focused = browser.page.evaluate("document.activeElement.closest('article') !== null")
    assert focused


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_screen_needs_no_sideways_scrolling(browser, name):
    browser.open(name, width=390)
    browser.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert browser.page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", PAGES)
def test_colours_follow_the_reader(browser, name):
    sums = []
    for scheme in ("light", "dark"):
        browser.page.emulate_media(color_scheme=scheme)
        browser.open(name)
        body = "(({ backgroundColor, color }) => [backgroundColor, color])"
        colours = browser.page.evaluate(f"{body}(getComputedStyle(document.body))")
        numbers = (text[4:-1].split(",") for text in colours)
        sums.append([sum(map(int, each)) for each in numbers])
    (light, dark_text), (dark, light_text) = sums
    assert light - dark_text > 500
    assert light_text - dark > 500
    browser.page.emulate_media(color_scheme="light")
