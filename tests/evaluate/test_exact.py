"""Exact measures are what sampling estimates, for the fast code and for transformers."""

import numpy as np
import pandas as pd
import pytest
import torch

from tests.conftest import ROOT, load_tier
from tests.model.conftest import CPU
from tests.standin import EXAMPLES
from tests.standin import TASK as NATURAL_TASK
from workflow_scripts.evaluate.exact import measure, measure_exactly, solve
from workflow_scripts.evaluate.sample import sample_model
from workflow_scripts.model.device import prepare_torch
from workflow_scripts.model.generate import load_to_sample
from workflow_scripts.model.score import log_probabilities
from workflow_scripts.model.text_codec import load_codec
from workflow_scripts.settings.sampling import Decoding, ExactSettings, SamplingSettings
from workflow_scripts.task.datasets import draw_validation, write_dataset
from workflow_scripts.task.mixes import Singles
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.solutions import write_fitting_solution

FB = ROOT / "tests" / "checkpoints" / "FB"
TASK = load_tier("laptop").task
N_SAMPLES = 64


@pytest.fixture(scope="module")
def problems() -> list[dict]:
    return draw_validation(TASK, Singles((2, 4, 6)), 24)["dev"]


@pytest.fixture(scope="module")
def policy():
    prepare_torch(CPU)
    return load_to_sample(FB, CPU), load_codec(FB)


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_exact_measures_agree_with_sampling_within_its_error(policy, problems, temperature):
    model, codec = policy
    decoding = Decoding(temperature=temperature, batch_size=128, seed=0)
    settings = SamplingSettings(model=CPU, sampling=decoding, max_new_tokens=81)
    sampled = pd.DataFrame(sample_model(model, codec, problems, N_SAMPLES, settings, "test"))
    solutions = [
        write_fitting_solution(TASK.form, Problem.from_json(row["problem"])).split()
        for row in problems
    ]
    written = [
        (text.split(), solutions[problem])
        for problem, text in zip(sampled["problem"], sampled["text"], strict=True)
    ]
    n_words = len(TASK.form.opening("x1 = e1 + e1 = e2").split())
    sampled["selected"] = [text[:n_words] == right[:n_words] for text, right in written]
    sampled["verified"] = [text == right for text, right in written]
    sampled["verified"] &= sampled["complete"]
    shares = sampled.groupby("problem")[["selected", "verified"]].mean()
    exact = np.exp(measure_exactly(model, solve(problems, TASK.form, codec), temperature))
    exact["verified"] = exact["log_selection"] * exact["log_execution"]
    pairs = (("selected", "log_selection"), ("verified", "verified"))
    for share, probability in pairs:
        p = exact[probability].to_numpy()
        error = np.sqrt(p * (1 - p) / N_SAMPLES)
        difference = shares[share].to_numpy() - p
        assert (np.abs(difference) < 4.5 * error + 2 / N_SAMPLES).all()
        assert abs(difference.mean()) < 4 * np.sqrt((error**2).sum()) / len(p)
    assert 0.2 < exact["verified"].mean() < 0.9, "a case that could tell"


def test_both_implementations_give_the_same_log_probabilities(policy, problems):
    from transformers import AutoModelForCausalLM

    model, codec = policy
    solved = solve(problems, TASK.form, codec)
    arguments = solved.prompts, solved.solutions, 0.7
    fast = log_probabilities(model, *arguments)
    reference = log_probabilities(AutoModelForCausalLM.from_pretrained(FB), *arguments)
    assert [len(tokens) for tokens in fast] == [len(tokens) for tokens in solved.solutions]
    torch.testing.assert_close(torch.cat(fast), torch.cat(reference), rtol=1e-3, atol=2e-4)


def test_the_opening_of_a_compact_solution_is_its_first_token(policy, problems):
    assert set(solve(problems, TASK.form, policy[1]).n_opening) == {1}


def test_the_opening_of_a_natural_solution_is_its_first_line(chat_model):
    codec = load_codec(chat_model)
    solved = solve(EXAMPLES[:20], NATURAL_TASK.form, codec)
    for tokens, n_opening in zip(solved.solutions, solved.n_opening, strict=True):
        (opening,), (rest,) = codec.decode([tokens[:n_opening]]), codec.decode([tokens[n_opening:]])
        assert opening.rstrip("\n").endswith("the steps.")
        assert opening.count("From x") == 1
        assert "From" not in rest


def test_every_model_is_measured_at_every_temperature(problems, tmp_path):
    path, output = tmp_path / "problems.jsonl", tmp_path / "run" / "exact.parquet"
    write_dataset(path, {"task": vars(TASK)}, problems)
    settings = ExactSettings(model=CPU, temperatures=[1.0, 0.5])
    measure(settings, {10: FB, 20: FB}, path, output)
    measured = pd.read_parquet(output)
    cells = measured.groupby(["checkpoint", "temperature"])["problem"]
    assert cells.nunique().to_dict() == {(s, t): len(problems) for s in (10, 20) for t in (1, 0.5)}
    assert (measured[["log_selection", "log_execution"]] <= 1e-6).all().all()
    assert output.with_suffix(".json").is_file()
