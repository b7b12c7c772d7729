"""The paper tier from the fetched model to Table 1, with a small stand-in for the model.

config/paper.yaml is scaled down by the command line alone: sizes, numbers of steps, the device.
"""

import json

import pandas as pd
import pytest
from safetensors.torch import load_file

from tests.conftest import OTHERS, Project, copy_project, load_tier
from tests.standin import make_standin
from workflow_scripts.common.files import read_json, sha256
from workflow_scripts.task.datasets import read_dataset

pytestmark = pytest.mark.slow

SCALED = {
    "seeds": [0],
    "model": {"device": "cpu", "dtype": "float32", "threads": 1},
    "data": {"sft_examples": 64, "rl_prompts": 32, "validation_problems": 32},
    "sft": {"epochs": 1, "micro_batch_size": 8},
    "rl": {"steps": 3, "batch_size": 32, "micro_batch_size": 16, "scored_steps": []},
    "sampling": {"n_samples": 2, "pass_at_k": {"n_problems": 8, "n_samples": 2}},
    "jobs": {"gpus": 0},
    # F and B differ from FB in their SFT data alone.
    "experiments": {"main": {"models": ["FB"]}, **{name: {"enabled": False} for name in OTHERS}},
}
RUNS = ("FB-s0", "FB-s0-rl2-5", "FB-s0-rl6-9")


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> Project:
    made = Project(copy_project(tmp_path_factory.mktemp("paper") / "project"))
    folder = make_standin(made.folder / "standin", steps=110)
    config = {**SCALED, "model": {**SCALED["model"], "hub": {"folder": str(folder)}}}
    options = [f"{key}={json.dumps(value)}" for key, value in config.items()]
    command = ["table1", "--cores", "2", "--config", *options]
    result = made.snakemake(*command, tier="paper")
    assert result.returncode == 0, result.stderr[-4000:]
    return made


def results(paper: Project, *names: str):
    return paper.folder.joinpath("results/paper", *names)


def test_the_model_is_fetched_from_the_folder_with_its_hashes(paper):
    manifest = read_json(results(paper, "hub/model/manifest.json"))
    assert manifest["source"] == {"folder": str(paper.folder / "standin")}
    assert manifest["files"]["model.safetensors"] == sha256(
        paper.folder / "standin/model.safetensors"
    )


def test_sft_and_rl_train_adapters_upon_it_and_leave_it_as_it_was(paper):
    fetched = results(paper, "hub/model/model.safetensors")
    assert sha256(fetched) == sha256(paper.folder / "standin/model.safetensors")
    adapters = {}
    for run in RUNS:
        folder = results(paper, "rl" if "-rl" in run else "sft", run, "model")
        assert not (folder / "model.safetensors").exists()
        adapters[run] = load_file(folder / "adapter_model.safetensors")
        lora = load_tier("paper").model.lora
        configuration = read_json(folder / "adapter_config.json")
        assert (configuration["r"], configuration["lora_alpha"]) == (lora.r, lora.alpha)
    first, *others = (adapters[run] for run in RUNS)
    assert all(name.count("lora_") == 1 for name in first)
    projections = {name.split(".lora_")[0].rsplit(".", 1)[1] for name in first}
    assert projections == {
        *("q_proj", "k_proj", "v_proj", "o_proj"),
        *("gate_proj", "up_proj", "down_proj"),
    }
    for other in others:
        assert other.keys() == first.keys(), "RL goes on training the SFT adapter"
        assert any((other[name] != first[name]).any() for name in first)


@pytest.mark.parametrize("run", RUNS[1:])
def test_the_reference_of_rl_is_the_sft_policy(paper, run):
    log = pd.read_csv(results(paper, "rl", run, "log.csv"))
    assert list(log["step"]) == [1, 2, 3]
    assert log["kl"][0] == pytest.approx(0, abs=1e-7)
    assert log["kl"][2] > 1e-7
    assert log["reward"].max() > 0, "without a reward nothing is learnt"
    settings = read_json(results(paper, "rl", run, "run.json"))["settings"]["rl"]
    assert settings["kl_coefficient"] == load_tier("paper").rl.kl_coefficient > 0


def test_prompts_and_responses_are_sentences(paper):
    prompts = read_dataset(paper.folder / "data/paper/gf11/rl-6-9-s0.jsonl")
    assert all("They are written in symbols: e" in record["prompt"] for record in prompts)
    for run in RUNS:
        rollouts = pd.read_parquet(results(paper, "rollouts", run, "steps.parquet"))
        labels = pd.read_parquet(results(paper, "labels", run, "steps.parquet"))
        assert len(rollouts) == len(labels) == 2 * SCALED["data"]["validation_problems"]
        assert rollouts["complete"].mean() > 0.5
        assert rollouts.loc[rollouts["complete"], "text"].str.contains("\nAnswer: e").mean() > 0.5
        assert not rollouts["text"].str.contains("<|", regex=False).any()
        assert labels["direction"].isin(["forward", "backward", "mixed"]).any()


def test_table1_is_made(paper):
    table = pd.read_csv(results(paper, "tables/table1.csv"))
    assert set(table.loc[table["pass1"].notna(), "stage"]) == {"SFT", "RL(2-5)", "RL(6-9)"}
