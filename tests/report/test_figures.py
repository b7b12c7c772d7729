import warnings
from collections import defaultdict

import pytest
from matplotlib.image import imread
from matplotlib.lines import Line2D
from matplotlib.text import Text

from tests.conftest import run_stage
from tests.report.synthetic import FULL, SMOKE, source
from workflow_scripts.plan.products import figures
from workflow_scripts.plan.study import Study
from workflow_scripts.report import style
from workflow_scripts.report.style import Drawing

FIGURES = [("full", FULL, name) for name in figures(Study(FULL))]
FIGURES += [("smoke", SMOKE, name) for name in figures(Study(SMOKE))]


@pytest.fixture(scope="module")
def drawings(full, smoke):
    """Draws a figure of the synthetic data once, without a complaint of matplotlib."""
    drawn: dict[tuple[str, str], Drawing] = {}

    def draw(which: str, name: str) -> Drawing:
        if (which, name) not in drawn:
            settings, inputs = (FULL, full) if which == "full" else (SMOKE, smoke)
            experiment, product = figures(Study(settings))[name]
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                drawn[which, name] = product.make(inputs[experiment.name])
                drawn[which, name].figure.draw_without_rendering()
        return drawn[which, name]

    return draw


def texts(drawing: Drawing) -> list[Text]:
    return [text for text in drawing.figure.findobj(Text) if text.get_text()]


@pytest.mark.parametrize(("which", "settings", "name"), FIGURES)
def test_the_caption_states_tier_and_n_and_the_picture_does_not(
    drawings, request, which, settings, name
):
    drawing = drawings(which, name)
    experiment, product = figures(Study(settings))[name]
    inputs = request.getfixturevalue(which)[experiment.name]
    caption = style.caption_page(drawing, product.caption, product.reading, inputs)
    assert f"{settings.tier} tier" in caption
    assert ("no scientific meaning" in caption) == (which == "smoke")
    assert ("3 seeds" if which == "full" else "1 seed") in caption
    written = " ".join(text.get_text() for text in texts(drawing))
    assert "tier" not in written
    assert "(fraction)" not in written


@pytest.mark.parametrize(("which", "settings", "name"), FIGURES)
def test_a_figure_is_read_at_its_own_width_with_type_of_eight_points(
    drawings, which, settings, name
):
    drawing = drawings(which, name)
    figure = drawing.figure
    assert figure.get_figwidth() in (style.COLUMN, style.PAGE)
    assert {text.get_size() for text in texts(drawing)} <= {style.SMALL, style.NORMAL}
    figure.set_dpi(style.DPI)  # the width of texts depends on it
    figure.draw_without_rendering()
    width, height = (size * style.DPI for size in figure.get_size_inches())
    for part in (*figure.axes, *figure.legends):
        box = part.get_tightbbox()
        assert box.x0 > -1
        assert box.x1 < width + 1
        assert box.y0 > -1
        assert box.y1 < height + 1


def is_series(line: Line2D) -> bool:
    """Whether a line is one of several that a reader must tell apart.

    Not the ends of an interval, the paper's stars, and open markers over others of one seed.
    """
    dashes, marker = line.get_linestyle(), line.get_marker()
    return len(line.get_xdata()) > 1 and dashes != "None" and marker not in ("_", "|", "*")


@pytest.mark.parametrize(("which", "settings", "name"), FIGURES)
def test_lines_of_a_panel_are_told_apart_without_colour(drawings, which, settings, name):
    for panel in drawings(which, name).figure.axes:
        colors = defaultdict(set)
        for line in filter(is_series, panel.lines):
            look = (line.get_marker(), str(line._unscaled_dash_pattern))
            colors[look].add(str(line.get_color()))
        assert all(len(each) == 1 for each in colors.values()), colors


def test_the_papers_values_are_drawn_wherever_they_are_known(drawings):
    for name in ("accuracy", "robustness"):
        lines = [line for panel in drawings("full", name).figure.axes for line in panel.lines]
        stars = [line for line in lines if line.get_marker() == "*"]
        assert stars, name
        assert all(line.get_markerfacecolor() == "white" for line in stars)


def test_points_of_one_seed_are_open(drawings):
    accuracy = drawings("full", "robustness").figure.axes[1]
    single = [line for line in accuracy.lines if len(line.get_xdata()) == 1]
    squares = [line for line in single if line.get_marker() == "s"]
    assert len(squares) == 4, "B has one seed for each value"
    assert all(line.get_markerfacecolor() == "white" for line in squares)
    assert not [line for line in single if line.get_marker() == "D"], "FB has three"


def test_no_line_bridges_the_gap_to_sft_with_one_strategy(drawings):
    for panel in drawings("full", "diversity").figure.axes:
        for line in filter(is_series, panel.lines):
            shares = line.get_xdata()
            if line.get_marker() in ("^", "v"):
                assert min(shares) > 0.05
                assert max(shares) < 0.95


def test_a_picture_of_the_smoke_tier_says_that_it_means_nothing(smoke, full):
    for inputs, n_texts in ((smoke["main"], 1), (full["main"], 0)):
        figure, _ = style.new_figure(2, 1, 1)
        style.mark_smoke(figure, inputs)
        assert len(figure.texts) == n_texts
        assert all("no scientific meaning" in text.get_text() for text in figure.texts)


def run_figure(paths, folder):
    outputs = {"png": folder / "f.png", "svg": folder / "f.svg", "caption": folder / "f.md"}
    files = {"scores": [paths["scores"]]}
    arguments = {"source": source(FULL, "main", files), "name": "routing", **outputs}
    return run_stage("experiments.main:Main.make_figure", arguments, folder.parent)


def test_program_draws_the_same_bytes_twice(written, tmp_path):
    contents = []
    for name in ("first", "second"):
        done = run_figure(written, tmp_path / name)
        assert done.returncode == 0, done.stderr
        contents.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert contents[0] == contents[1]
    caption, _, svg = contents[0]
    assert imread(tmp_path / "first" / "f.png").shape[1] == round(style.COLUMN * style.DPI)
    assert b"<dc:date>" not in svg
    assert caption.decode().startswith("# Strategies of FB by problem type\n")
    assert "laptop tier" in caption.decode()
