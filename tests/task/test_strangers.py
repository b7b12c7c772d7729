"""Problems and data sets of strangers are checked entry by entry."""

import json
from copy import deepcopy

import pytest

from workflow_scripts.common.errors import StudyError
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.strangers import read_given_dataset, read_problem

VALUE = {
    "p": 11,
    "known": 3,
    "parts": [{"type": "inversion", "first": 2, "steps": ["+4", "*7"]}],
    "unasked": [],
}


def test_a_problem_is_read_from_json_or_from_its_text(form, draw_sft_mix):
    for example in draw_sft_mix(form, 50, seed=1):
        value = example.problem.to_json()
        assert read_problem(value) == read_problem(json.dumps(value)) == example.problem
    without = {key: value for key, value in VALUE.items() if key != "unasked"}
    assert read_problem(without) == Problem.from_json(VALUE)


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("p",), 12, "12"),
        (("p",), True, "p: True"),
        (("p",), 10**9, "p: "),
        (("known",), 11, "known: 11"),
        (("known",), None, "known: None"),
        (("parts",), [], "parts"),
        (("parts",), "+4", "parts"),
        (("unasked",), None, "unasked"),
        (("parts", 0), [], "parts[0]"),
        (("parts", 0, "type"), "composition", "parts[0].type: 'composition'"),
        (("parts", 0, "first"), -1, "parts[0].first: -1"),
        (("parts", 0, "first"), 9999, "parts[0].first"),
        (("parts", 0, "steps"), [], "parts[0].steps"),
        (("parts", 0, "steps", 1), "-7", "parts[0].steps[1]: '-7'"),
        (("parts", 0, "steps", 1), "+11", "parts[0].steps[1]: '+11'"),
        (("parts", 0, "steps", 1), "*0", "parts[0].steps[1]: '*0'"),
        (("parts", 0, "steps", 1), 7, "parts[0].steps[1]: 7"),
    ],
)
def test_a_wrong_entry_is_named(place, value, named):
    wrong = deepcopy(VALUE)
    *path, last = place
    inner = wrong
    for key in path:
        inner = inner[key]
    inner[last] = value
    with pytest.raises(ValueError) as refused:
        read_problem(wrong)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [None, 3, [], "e4", "[]"])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        read_problem(value)


def test_a_file_that_is_no_data_set_is_named_without_the_workflow(tmp_path):
    path = tmp_path / "rows.jsonl"
    for content in (None, "", '{"id": 0}\n'):
        if content is not None:
            path.write_text(content)
        with pytest.raises(StudyError, match=r"rows\.jsonl is no unaltered data set") as refused:
            read_given_dataset(path)
        assert "snakemake" not in str(refused.value)
