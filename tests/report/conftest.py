import pytest

from tests.report.synthetic import EXPERIMENTS, FULL, SMOKE, World, make_inputs
from workflow_scripts.report.inputs import Inputs


@pytest.fixture(scope="session")
def full() -> dict[str, Inputs]:
    """Three seeds, every condition, the paper's effects."""
    return {name: make_inputs(FULL, name, World()) for name in EXPERIMENTS}


@pytest.fixture(scope="session")
def smoke() -> dict[str, Inputs]:
    """One seed, two RL steps, one problem and two samples in each stratum."""
    size = {"per_stratum": 1, "samples": 2}
    return {name: make_inputs(SMOKE, name, World(), **size) for name in EXPERIMENTS}


@pytest.fixture
def written(tmp_path, full):
    """The files of the main experiment as the workflow has them."""
    inputs = full["main"]
    paths = {
        "scores": tmp_path / "scores.parquet",
        "training": tmp_path / "training.parquet",
        "sft": tmp_path / "sft.csv",
    }
    inputs.scores.frame.to_parquet(paths["scores"])
    inputs.training.to_parquet(paths["training"])
    inputs.sft.to_csv(paths["sft"], index=False)
    return paths
