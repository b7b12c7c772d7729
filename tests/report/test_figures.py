import warnings

import pytest
from matplotlib.image import imread

from tests.conftest import run_stage
from tests.report.synthetic import FULL, SMOKE, source
from workflow_scripts.plan.products import figures
from workflow_scripts.plan.study import Study
from workflow_scripts.report import style

FIGURES = [("full", FULL, name) for name in figures(Study(FULL))]
FIGURES += [("smoke", SMOKE, name) for name in figures(Study(SMOKE))]


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda o: hasattr(o, "get_text")))


@pytest.mark.parametrize(("which", "settings", "name"), FIGURES)
def test_every_figure_draws_without_complaint_and_states_tier_and_n(which, settings, name, request):
    experiment, product = figures(Study(settings))[name]
    inputs = request.getfixturevalue(which)[experiment.name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = product.make(inputs)
        figure.draw_without_rendering()
    assert figure.get_figwidth() == style.WIDTH
    written = texts(figure)
    assert f"{settings.tier} tier" in written
    assert ("no scientific meaning" in written) == (which == "smoke")
    assert ("3 seeds" if which == "full" else "1 seed") in written
    width, height = figure.canvas.get_width_height()
    for axes in figure.axes:
        if axes.get_visible():
            box = axes.get_tightbbox()
            assert box.x0 > -1
            assert box.x1 < width + 1
            assert box.y1 < height + 1
            assert box.y0 > style.FOOTER * figure.dpi - 1
    figure.set_dpi(style.DPI)  # the width of texts depends on it
    figure.draw_without_rendering()
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert box.x0 > -1
        assert box.x1 < style.WIDTH * style.DPI + 1


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
    assert imread(tmp_path / "first" / "f.png").shape[1] == round(style.WIDTH * style.DPI)
    assert b"<dc:date>" not in svg
    assert caption.decode().startswith("# Strategies of FB by problem type\n")
    assert "laptop tier" in caption.decode()
