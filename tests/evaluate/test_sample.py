"""Rollouts: what is recorded of a batch is enough to sample it again."""

import pandas as pd
import pytest
import torch

from tests.model.conftest import CPU
from tests.standin import EXAMPLES
from workflow_scripts.evaluate.sample import sample_model
from workflow_scripts.model.draw import SamplingParameters
from workflow_scripts.model.generate import generate
from workflow_scripts.model.text_codec import load_codec
from workflow_scripts.settings.sampling import Decoding, SamplingSettings

DECODING = Decoding(temperature=0.7, batch_size=12, seed=0)
N_SAMPLES, LIMIT = 3, 10


@pytest.fixture(scope="module")
def policy(chat_model):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(chat_model), load_codec(chat_model)


def sample(policy, stream="run steps step 0", **changes) -> pd.DataFrame:
    problems = EXAMPLES[:10]  # batches of 4, 4 and 2 problems
    decoding = DECODING.model_copy(update=changes)
    settings = SamplingSettings(model=CPU, sampling=decoding, max_new_tokens=LIMIT)
    return pd.DataFrame(sample_model(*policy, problems, N_SAMPLES, settings, stream))


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_a_recorded_batch_can_be_sampled_again(policy, batch):
    model, codec = policy
    recorded = sample(policy)
    seed = recorded["seed"].unique()[batch]
    rows = recorded[recorded["seed"] == seed]
    prompts = {row["id"]: row["prompt"] for row in EXAMPLES}
    asked = [prompts[problem] for problem in rows["problem"].unique()]
    again = generate(
        model,
        codec.encode(asked),
        N_SAMPLES,
        SamplingParameters(LIMIT, frozenset({codec.end}), DECODING.temperature),
        torch.Generator().manual_seed(int(seed)),
    )
    assert len(asked) == (4, 4, 2)[batch]
    assert codec.decode(again) == list(rows["text"])


def test_every_batch_of_every_checkpoint_and_evaluation_has_a_seed_of_its_own(policy):
    streams = ("run steps step 0", "run steps step 5", "run longer step 0", "other steps step 0")
    seeds = [set(sample(policy, stream)["seed"]) for stream in streams]
    assert [len(each) for each in seeds] == [3] * len(streams)
    assert len(set.union(*seeds)) == 3 * len(streams)
    assert set(sample(policy)["seed"]) == seeds[0]
    assert seeds[0].isdisjoint(sample(policy, seed=1)["seed"])
