"""The demo marks responses rightly, fits into 80 columns, and leaves nothing behind."""

import io
import re
import shutil
from random import Random

import pytest
from rich.console import Console
from rich.live import Live

from tests.conftest import ROOT, load_tier
from tests.task.conftest import TASK
from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, sha256
from workflow_scripts.operate import demo_models
from workflow_scripts.operate.annotate import Mark, abridge, annotate
from workflow_scripts.operate.demo import ProgressLines
from workflow_scripts.operate.demo_view import (
    WIDTH,
    Progress,
    progress_header,
    progress_line,
    responses_view,
)
from workflow_scripts.operate.live_rl import measure
from workflow_scripts.plan.study import Study
from workflow_scripts.report.response_lines import split_lines
from workflow_scripts.task.problems import EVALUATION, INVERSION, PROBLEM_TYPES, draw_problem
from workflow_scripts.task.solutions import BACKWARD, FORWARD, STRATEGIES, write_solution
from workflow_scripts.task.text import COMPACT
from workflow_scripts.train.rollout_log import RolloutLog

SOUND, FAULT, OPEN = Mark.SOUND, Mark.FAULT, Mark.OPEN


def problem_of(type_: str, seed: int = 0, n_steps: int = 6):
    return draw_problem(Random(seed), 11, type_, n_steps, TASK.n_variables)


def solve(problem, strategy: str, seed: int = 0, word_limit: int = 200) -> str:
    """A solution as a model writes it: without line breaks."""
    return " ".join(write_solution(COMPACT, problem, strategy, Random(seed), word_limit).split())


def marks(problem, response: str, complete: bool = True) -> list[Mark]:
    return [line.mark for line in annotate(problem, response, complete).lines]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("type_", PROBLEM_TYPES)
def test_every_line_of_a_written_solution_is_sound(type_, strategy):
    for seed in range(50):
        problem = problem_of(type_, seed)
        written = write_solution(COMPACT, problem, strategy, Random(seed), 200)
        response = annotate(problem, solve(problem, strategy, seed), complete=True)
        assert [line.text for line in response.lines] == written.split("\n")
        assert {line.mark for line in response.lines} == {SOUND}
        assert (response.fault, response.outcome) == ("all lines sound", "right answer")
        assert response.strategy.startswith(strategy)


def lines_of(response: str) -> list[str]:
    return [line.text for line in split_lines(response)]


def break_line(response: str, index: int) -> str:
    """The response with another result in a line."""
    lines = lines_of(response)
    *rest, result = lines[index].split()
    lines[index] = " ".join([*rest, "e1" if result == "e0" else "e0"])
    return " ".join(lines)


def test_the_first_wrong_line_is_marked_and_named():
    problem = problem_of(EVALUATION)
    response = annotate(problem, break_line(solve(problem, FORWARD), 2), complete=True)
    assert [line.mark for line in response.lines] == [SOUND, SOUND, FAULT, *[OPEN] * 4]
    assert (response.fault, response.strategy) == ("line 3: arithmetic", "forward, direct")


def test_an_answer_that_comes_too_early_or_is_wrong_is_the_wrong_line():
    problem = problem_of(INVERSION)
    lines = lines_of(solve(problem, BACKWARD))
    early = annotate(problem, " ".join([*lines[:4], "ans e9"]), complete=True)
    assert [line.mark for line in early.lines] == [*[SOUND] * 4, FAULT]
    assert early.fault == "line 5: stopped early"
    assert marks(problem, break_line(" ".join(lines), 6)) == [*[SOUND] * 6, FAULT]


@pytest.mark.parametrize("index", [0, 1, 6])
def test_a_wrong_line_of_guess_and_check_is_found(index):
    """Lines 1-6 work through the first guess, line 7 (no, or ok) compares."""
    problem = problem_of(EVALUATION)
    broken = break_line(solve(problem, BACKWARD, seed=3), index + 1)
    found = annotate(problem, broken, complete=True)
    assert [line.mark for line in found.lines[: index + 2]] == [*[SOUND] * (index + 1), FAULT]
    assert {line.mark for line in found.lines[index + 2 :]} == {OPEN}
    assert (found.fault, found.strategy) == ("a line is wrong", "backward, guess & check")


def test_another_answer_than_the_guess_that_was_right_is_wrong():
    problem = problem_of(EVALUATION)
    response = break_line(solve(problem, BACKWARD), -1)
    assert marks(problem, response)[-2:] == [SOUND, FAULT]
    assert annotate(problem, response, complete=True).outcome == "wrong answer"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_cut_response_has_no_wrong_line(strategy):
    problem = problem_of(EVALUATION)
    lines = lines_of(solve(problem, strategy))
    response = annotate(problem, " ".join([*lines[:4], "x3 = e1"]), complete=False)
    assert {line.mark for line in response.lines[:-1]} == {SOUND}
    assert response.lines[-1].mark == OPEN
    assert (response.fault, response.outcome) == ("cut off", "no answer")


@pytest.mark.parametrize("response", ["", "ok", "x1 = e1 + e2", "try e99 ans e1"])
def test_a_response_without_a_strategy_is_not_judged(response):
    found = annotate(problem_of(EVALUATION), response, complete=True)
    assert found.fault == "lines not judged"
    assert {line.mark for line in found.lines} <= {OPEN}


def test_later_guesses_are_shortened_and_bear_the_worst_mark():
    problem = problem_of(INVERSION)
    long = next(
        text
        for text in (solve(problem, FORWARD, seed) for seed in range(99))
        if text.count("try") == 3
    )
    short = abridge(annotate(problem, long, complete=True).lines)
    assert len(short) == 1 + 6 + 1 + 2 + 1
    assert re.fullmatch(r"try e\d+ … e\d+ no", short[8].text)
    assert re.fullmatch(r"try e\d+ … e\d+ ok", short[9].text)
    assert short[10].text.startswith("ans ")
    broken = abridge(annotate(problem, break_line(long, 12), complete=True).lines)
    assert [line.mark for line in broken[8:]] == [FAULT, OPEN, OPEN]


def show(what) -> list[str]:
    console = Console(width=WIDTH, file=io.StringIO())
    console.print(what)
    return console.file.getvalue().splitlines()


def test_no_line_of_a_response_is_wrapped():
    for seed in range(20):
        problem = problem_of(INVERSION, seed, n_steps=9)
        texts = [solve(problem, strategy, seed) for strategy in STRATEGIES]
        texts.append(" ".join(texts[0].split()[:-1]))
        responses = {str(i): annotate(problem, text, True) for i, text in enumerate(texts)}
        lines = show(responses_view("after RL on 6-9", responses))
        longest = max(len(abridge(each.lines)) for each in responses.values())
        assert len(lines) == 1 + 1 + longest + 3
        assert all(len(line) <= WIDTH for line in lines)


def test_progress_is_one_line_below_its_header():
    (_, header), (line,) = (
        show(progress_header()),
        show(
            progress_line(
                Progress(step=20, n_steps=30, share=0.5, reward=0.25, seconds_per_step=0.84)
            )
        ),
    )
    assert line == "  20/30  " + "█" * 15 + "░" * 15 + "  0.50    0.25     0.8    8 s"
    ends = lambda text, words: [text.index(word) + len(word) for word in words]  # noqa: E731
    assert ends(header, ["reward", "s/step", "left"]) == ends(line, ["0.25", "0.8", "8 s"])


@pytest.mark.parametrize("is_terminal", [True, False])
def test_each_block_of_steps_leaves_a_line_and_a_terminal_shows_the_present_one(is_terminal):
    console = Console(
        width=WIDTH, file=io.StringIO(), force_terminal=is_terminal, color_system=None
    )
    shown = []
    with Live(console=console, transient=True, auto_refresh=False) as live:
        lines = ProgressLines(live)
        for step in range(1, 8):
            console.file.truncate(0)
            lines.show(Progress(step, 7, 0.5, 0.5, 1.0))
            shown.append(re.findall(r"\d/7", console.file.getvalue()))
    present = [[f"{step}/7"] if is_terminal else [] for step in range(1, 8)]
    assert shown == [*present[:4], ["5/7"], present[5], ["7/7"]]
    assert [progress.step for progress in lines.done] == [5, 7]


def test_the_mean_of_some_steps_is_over_their_rollouts():
    log, problem = RolloutLog(), problem_of(EVALUATION)
    right, wrong = solve(problem, FORWARD), solve(problem, BACKWARD)
    for step, text, reward in [(1, wrong, 0), (2, right, 1), (2, wrong, 1), (3, right, 1)]:
        log.add(step, problem, text, True, reward)
    assert measure(log, 2, 3) == (2 / 3, 1)
    assert measure(log, 1, 1) == (0, 0)


@pytest.fixture
def study():
    return Study(load_tier("laptop"))


@pytest.mark.parametrize("fault", ["missing", "altered"])
def test_a_recorded_model_that_is_not_whole_is_named_with_its_remedy(
    study, tmp_path, monkeypatch, fault
):
    models = ROOT / "results/reference/laptop/models"
    shutil.copytree(models, tmp_path / "laptop/models")
    weights = tmp_path / "laptop/models/FB-s10/model.safetensors"
    if fault == "missing":
        shutil.rmtree(weights.parent)
    else:
        weights.write_bytes(weights.read_bytes()[:-1])
    monkeypatch.setattr(demo_models, "REFERENCE", tmp_path)
    with pytest.raises(StudyError, match=rf"git checkout {weights.parent}$"):
        demo_models.find_recorded(study)


@pytest.mark.slow
def test_the_prompts_are_those_of_the_recorded_run(study, tmp_path):
    run = study.hardest_run
    _, prompts = demo_models.draw_data(study, run, tmp_path)
    record = read_json(ROOT / "results/reference/laptop" / study.run_name(run) / "run.json")
    assert record["inputs"][study.prompts_file(run)] == sha256(prompts)


@pytest.mark.slow
def test_the_demo_shows_everything_and_keeps_no_file(project, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("COLUMNS", str(WIDTH))

    def files() -> set:
        return {path for path in project.folder.rglob("*") if ".cache" not in path.parts}

    before = files()
    shown = project.python("operate.demo", "--steps", "2")
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr == ""
    assert files() == before
    assert not any((tmp_path / "temporary").iterdir())
    text = shown.stdout
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert "x0 = e8 ; x6 ?" in text and "x16 = e10 ; x10 ?" in text
    assert text.count("FB after SFT") >= 2 and text.count("FB after RL on 6-9") == 2
    assert text.count("right answer") + text.count("wrong answer") + text.count("no answer") >= 12
    assert "guess & check" in text and "✓ ans" in text and "✗" in text
    assert re.search(r"^  2/2 +[█░]{30}  [01]\.\d\d +[01]\.\d\d +\d+\.\d +\d+ s$", text, re.M)
    assert "results/reference/laptop/figures/mechanisms.png" in text
    assert "make study TARGETS=fig_selection_first_seed" in text
