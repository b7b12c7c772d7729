"""Data sets: what is drawn, what is kept apart, and files that are whole."""

import json
from collections import Counter, defaultdict
from dataclasses import asdict, replace
from itertools import combinations

import pytest
from scipy.stats import chisquare

from tests.conftest import run_stage
from tests.task.conftest import TASK
from workflow_scripts.common.errors import StudyError
from workflow_scripts.task.baselines import affine_shortcut
from workflow_scripts.task.datasets import (
    Row,
    canonical_forms,
    draw_prompts,
    draw_sft,
    draw_validation,
    read_dataset,
    read_task,
    solve_heldout,
    write_dataset,
)
from workflow_scripts.task.mixes import (
    Compositions,
    PromptSingles,
    Singles,
    SolvedSingles,
    to_json,
)
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.task.text import FORMS

STEPS = SolvedSingles(backward_share=0.5, steps=(2, 3, 4, 5))
PARTS = Compositions(parts=(1, 2), part_steps=(1, 2))
# One step in GF(5): 45 problems of each type, so that chance alone would repeat some.
TINY = replace(TASK, field_size=5)
TINY_STRATA = Singles(steps=(1,))
TINY_STEPS = replace(STEPS, steps=(1,))


def problems_of(rows: list[Row]) -> list[tuple]:
    return [Problem.from_json(row["problem"]).canonical for row in rows]


def test_validation_sets_are_stratified_by_type_and_steps():
    for split in draw_validation(TASK, Singles(tuple(range(2, 10))), 512).values():
        strata = Counter((row["type"], row["steps"]) for row in split)
        assert strata == {(t, n): 32 for t in ("evaluation", "inversion") for n in range(2, 10)}


def test_validation_sets_of_compositions_are_stratified_by_parts():
    for split in draw_validation(TASK, Compositions((1, 2, 3), (1, 2)), 100).values():
        assert Counter(row["parts"] for row in split) == {1: 34, 2: 33, 3: 33}


def strata_of(rows: list[Row]) -> dict[tuple, list[Problem]]:
    strata = defaultdict(list)
    for row in rows:
        strata[row["type"], row["steps"]].append(Problem.from_json(row["problem"]))
    return strata


def is_hit(problem: Problem) -> bool:
    """Whether the wrong direction gives the answer, worked without the library's own code."""
    p, value = problem.p, problem.known
    (part,) = problem.parts
    for operation, constant in part.steps if part.type == "inversion" else part.steps[::-1]:
        if part.type == "inversion":
            value = value + constant if operation == "+" else value * constant
        else:
            value = value - constant if operation == "+" else value * pow(constant, -1, p)
    return value % p == problem.answer


@pytest.mark.parametrize("n_problems", [1, 16, 32, 100, 1024])
@pytest.mark.parametrize("p", [3, 5, 11, 13])
def test_answers_and_shortcut_hits_are_balanced_in_every_stratum(p, n_problems):
    """Also in the first rows of a stratum, to which pass@k is limited."""
    mix = Singles(tuple(range(3, 9)))
    for rows in draw_validation(replace(TASK, field_size=p), mix, n_problems).values():
        assert len(rows) == n_problems
        hits = Counter()
        for problems in strata_of(rows).values():
            answers: Counter = Counter(dict.fromkeys(range(p), 0))
            for problem in problems:
                answers[problem.answer] += 1
                assert max(answers.values()) - min(answers.values()) <= 1
            mine = [problem.answer for problem in problems if is_hit(problem)]
            assert abs(len(mine) - len(problems) * affine_shortcut(p)) < 1
            hits.update(mine)
        assert abs(hits.total() - n_problems * affine_shortcut(p)) <= 0.5
        if n_problems == 1024:
            assert min(hits[answer] for answer in range(p)) > 0.7 * 1024 * 2 / p / p


def test_answers_of_compositions_are_balanced_by_number_of_parts():
    for rows in draw_validation(TASK, Compositions((1, 2, 3), (1, 2)), 100).values():
        for n_parts in (1, 2, 3):
            mine = [Problem.from_json(row["problem"]) for row in rows if row["parts"] == n_parts]
            answers = Counter(problem.answer for problem in mine)
            assert max(answers.values()) - min(answers.values()) <= 1
            assert set(answers) == set(range(11))


def test_in_gf2_every_direction_gives_the_answer():
    rows = draw_validation(replace(TASK, field_size=2), Singles((8, 9)), 40)["dev"]
    assert all(is_hit(Problem.from_json(row["problem"])) for row in rows)


def test_validation_sets_share_no_problem_and_repeat_none():
    splits = draw_validation(TINY, TINY_STRATA, 20)
    assert set(splits) == {"dev", "confirm"}
    both = problems_of(splits["dev"]) + problems_of(splits["confirm"])
    assert len(set(both)) == len(both) == 40


def test_no_training_problem_is_a_validation_problem():
    validation = draw_validation(TINY, TINY_STRATA, 20)
    taken = {form for rows in validation.values() for form in problems_of(rows)}
    sft = draw_sft(TINY, TINY_STEPS, 500, 0, taken)
    prompts = draw_prompts(TINY, PromptSingles((1,), evaluation_share=0.5), 500, 0, taken)
    atomic = draw_sft(TINY, Compositions((1,), (1,)), 500, 0, taken)
    for rows in (sft, prompts, atomic):
        assert len(rows) == 500
        assert taken.isdisjoint(problems_of(rows))
    assert not taken.isdisjoint(problems_of(draw_sft(TINY, TINY_STEPS, 500, 0, set())))


def test_a_field_too_small_for_its_validation_sets_is_one_line():
    with pytest.raises(StudyError, match="validation problems"):
        draw_validation(TINY, TINY_STRATA, 300)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_sft_sets_have_their_share_of_backward(share):
    rows = draw_sft(TASK, replace(STEPS, backward_share=share), 2000, 0, set())
    counts = Counter(row["strategy"] for row in rows)
    if share in (0.0, 1.0):
        assert counts == {"backward" if share else "forward": 2000}
    else:
        observed = [counts["backward"], counts["forward"]]
        assert chisquare(observed, [2000 * share, 2000 * (1 - share)]).pvalue > 1e-4


@pytest.mark.parametrize("text", FORMS)
@pytest.mark.parametrize("mix", [STEPS, PARTS], ids=["steps", "parts"])
def test_sft_examples_hold_a_right_response_to_their_prompt(mix, text):
    for row in draw_sft(replace(TASK, text=text), mix, 500, 0, set()):
        problem = Problem.from_json(row["problem"])
        assert outcome_reward(problem, row["response"], complete=True) == 1
        assert row["prompt"] == FORMS[text].prompt(problem, show_field_map=False)
        assert (row["type"], row["steps"]) == (problem.type, problem.n_steps)
        assert row["parts"] == len(problem.parts)
        assert row["parts"] in getattr(mix, "parts", (1,))


def test_field_map_stands_in_every_prompt_if_it_is_asked_for():
    shown = replace(TASK, field_map="prompt")
    hidden_rows = draw_sft(TASK, STEPS, 50, 0, set()) + draw_prompts(TASK, PARTS, 50, 0, set())
    shown_rows = draw_sft(shown, STEPS, 50, 0, set()) + draw_prompts(shown, PARTS, 50, 0, set())
    for with_map, without in zip(shown_rows, hidden_rows, strict=True):
        first, rest = with_map["prompt"].split("\n", 1)
        assert first.startswith("map 0 = e")
        assert rest == without["prompt"], "the map is the only difference"


@pytest.mark.parametrize("mix", [STEPS, PARTS], ids=["steps", "parts"])
def test_heldout_examples_solve_the_validation_problems_of_the_mix_s_sizes(mix):
    size, strata = "steps", Singles(tuple(range(1, 7)))
    if mix is PARTS:
        size, strata = "parts", replace(PARTS, parts=tuple(range(1, 7)))
    validation = draw_validation(TASK, strata, 60)["dev"]
    wanted = [row for row in validation if row[size] in getattr(mix, size)]
    solved = solve_heldout(TASK, mix, validation)
    assert 0 < len(wanted) < len(validation)
    assert problems_of(solved) == problems_of(wanted)
    assert solved == solve_heldout(TASK, mix, validation)
    for row in solved:
        problem = Problem.from_json(row["problem"])
        assert outcome_reward(problem, row["response"], complete=True) == 1


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
def test_prompts_have_exact_shares_of_types_and_even_steps(share):
    mix = PromptSingles((6, 7, 8, 9), evaluation_share=share)
    rows = draw_prompts(TASK, mix, 1024, 0, set())
    assert sum(row["type"] == "evaluation" for row in rows) == round(1024 * share)
    for type_ in ("evaluation", "inversion"):
        steps = Counter(row["steps"] for row in rows if row["type"] == type_)
        assert set(steps) == {6, 7, 8, 9}
        assert max(steps.values()) - min(steps.values()) <= 1
    assert all("response" not in row for row in rows)


def test_prompts_that_ask_for_any_part_show_as_many_as_fit():
    task = replace(TASK, asks="any")
    mix = Compositions(parts=(1, 2, 3), part_steps=(1, 2))
    rows = draw_prompts(task, mix, 99, 0, set())
    for row in [*rows, *draw_sft(task, mix, 99, 0, set())]:
        problem = Problem.from_json(row["problem"])
        assert len(problem.parts) == row["parts"]
        assert len(problem.parts + problem.unasked) == 6
        assert row["prompt"] == FORMS["compact"].prompt(problem, show_field_map=False)


def test_the_form_of_the_text_changes_no_problem_that_is_drawn():
    compact, natural = (replace(TASK, text=text) for text in FORMS)
    strata = Singles((2, 3))
    mix = PromptSingles((2, 3), evaluation_share=0.5)
    one, other = (draw_validation(task, strata, 20) for task in (compact, natural))
    assert problems_of(one["confirm"]) == problems_of(other["confirm"])
    one, other = (draw_prompts(task, mix, 50, 0, set()) for task in (compact, natural))
    assert problems_of(one) == problems_of(other)
    assert [r["prompt"] for r in one] != [r["prompt"] for r in other]


def test_prompts_of_compositions_have_even_parts():
    rows = draw_prompts(TASK, Compositions((3, 4, 5), (1, 2)), 999, 0, set())
    assert Counter(row["parts"] for row in rows) == {3: 333, 4: 333, 5: 333}


PROMPTS = PromptSingles((6, 7), evaluation_share=0.5)


@pytest.mark.parametrize(("draw", "mix"), [(draw_sft, STEPS), (draw_prompts, PROMPTS)])
def test_the_seed_decides_the_training_data(draw, mix):
    sets = [draw(TASK, mix, 200, seed, set()) for seed in (0, 1, 2, 0)]
    assert sets[0] == sets[3]
    for one, other in combinations(sets[:3], 2):
        shared = set(problems_of(one)) & set(problems_of(other))
        assert len(shared) < 20, "each seed draws its own problems"


def test_stage_writes_the_same_bytes_in_every_process_and_keeps_sets_apart(tmp_path):
    for hash_seed in ("0", "1"):
        dev, confirm, train = (
            tmp_path / f"{name}{hash_seed}.jsonl" for name in ("dev", "confirm", "train")
        )
        task = {"task": asdict(TINY)}
        validation = {**task, "mix": to_json(TINY_STRATA), "n": 20, "dev": dev, "confirm": confirm}
        sft = {**task, "mix": to_json(TINY_STEPS), "n": 300, "seed": 4}
        sft |= {"validation": [dev, confirm], "output": train}
        for program, arguments in (("make_validation", validation), ("make_sft", sft)):
            run = run_stage(
                f"task.datasets:{program}", arguments, tmp_path, PYTHONHASHSEED=hash_seed
            )
            assert run.returncode == 0, run.stderr
    for name in ("dev", "confirm", "train"):
        first, second = ((tmp_path / f"{name}{seed}.jsonl").read_bytes() for seed in "01")
        assert first == second
    held_out = canonical_forms([tmp_path / "dev0.jsonl", tmp_path / "confirm0.jsonl"])
    assert len(held_out) == 40
    assert held_out.isdisjoint(canonical_forms([tmp_path / "train0.jsonl"]))
    header = json.loads((tmp_path / "train0.jsonl").read_text().split("\n")[0])
    assert (header["settings"]["seed"], header["settings"]["task"]) == (4, asdict(TINY))
    assert read_task(tmp_path / "train0.jsonl") == TINY


def test_a_data_set_is_read_as_written(tmp_path):
    path, rows = tmp_path / "set.jsonl", draw_sft(TASK, STEPS, 20, 0, set())
    write_dataset(path, {"kind": "sft"}, rows)
    assert read_dataset(path) == rows
    assert len(path.read_text().splitlines()) == 21


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def cut_after_a_line(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:-1])


def alter(content: bytes) -> bytes:
    return content.replace(b'"known": ', b'"known": 1', 1)


DAMAGE = {
    "cut in a line": cut,
    "cut after a line": cut_after_a_line,
    "one digit": alter,
    "empty": lambda _: b"",
    "no header": lambda content: content.split(b"\n", 1)[1],
    "header of another kind": lambda content: b"[1]\n" + content.split(b"\n", 1)[1],
    "not text": lambda _: b"\xff\xfe\x00" * 100,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_data_set_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "set.jsonl"
    write_dataset(path, {"kind": "sft"}, draw_sft(TASK, STEPS, 20, 0, set()))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StudyError) as error:
        read_dataset(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_data_set_is_refused_by_name(tmp_path):
    with pytest.raises(StudyError, match=r"nowhere\.jsonl"):
        read_dataset(tmp_path / "nowhere.jsonl")


def test_stage_reading_a_damaged_data_set_says_so_in_one_line_and_writes_nothing(tmp_path):
    (tmp_path / "dev.jsonl").write_text("damaged")
    files = {"validation": [tmp_path / "dev.jsonl"], "output": tmp_path / "train.jsonl"}
    arguments = {"task": asdict(TASK), "mix": to_json(STEPS), "n": 5, "seed": 0, **files}
    run = run_stage("task.datasets:make_sft", arguments, tmp_path)
    assert run.returncode != 0
    assert run.stdout == ""
    assert len(run.stderr.strip().splitlines()) == 1
    assert "dev.jsonl" in run.stderr
    assert not (tmp_path / "train.jsonl").exists()
