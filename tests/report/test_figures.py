import warnings

import pytest
from matplotlib.image import imread

from tests.conftest import run_stage
from tests.report.synthetic import FULL
from workflow_scripts.report import products, style
from workflow_scripts.report.figures import FIGURES


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda o: hasattr(o, "get_text")))


@pytest.mark.parametrize("which", ["full", "smoke"])
@pytest.mark.parametrize("name", products.FIGURES)
def test_every_figure_draws_without_complaint_and_states_tier_and_n(which, name, request):
    inputs = request.getfixturevalue(which)[products.FIGURES[name].experiment]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = FIGURES[name](inputs)
        figure.draw_without_rendering()
    assert figure.get_figwidth() == style.WIDTH
    written = texts(figure)
    assert f"{inputs.settings.tier} tier" in written
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


def run_figure(paths, folder):
    outputs = {"png": folder / "f.png", "svg": folder / "f.svg"}
    files = {"scores": [paths["scores"]]}
    arguments = {"name": "routing", "settings": FULL.model_dump(), "files": files, **outputs}
    return run_stage("report.figures:make_figure", arguments, folder.parent)


def test_program_draws_the_same_bytes_twice(written, tmp_path):
    contents = []
    for name in ("first", "second"):
        done = run_figure(written, tmp_path / name)
        assert done.returncode == 0, done.stderr
        contents.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert contents[0] == contents[1]
    assert len(contents[0]) == 2
    assert imread(tmp_path / "first" / "f.png").shape[1] == round(style.WIDTH * 200)
    assert b"<dc:date>" not in contents[0][1]
