"""A small model with random weights."""

import pytest
import torch

from workflow_scripts.model.store import create_base_model
from workflow_scripts.model.tokenizer import make_tokenizer
from workflow_scripts.settings.base import Base, Corpus, CorpusShares
from workflow_scripts.settings.model import Compute, Lora

CPU = Compute(device="cpu", dtype="float32", threads=1)
LORA = Lora(r=4, alpha=8, dropout=0.05, target_modules="all-linear")
# Shares of the base corpus: of all kinds alike, and of none, for tests of one kind.
KINDS = tuple(CorpusShares.model_fields)
ALL_KINDS = CorpusShares(**dict.fromkeys(KINDS, 1 / len(KINDS)))
NO_KIND = CorpusShares(**dict.fromkeys(KINDS, 0.0))
BASE = Base(
    hidden_size=32,
    layers=2,
    heads=2,
    mlp_size=64,
    initializer_range=0.3,
    steps=20,
    batch_size=8,
    learning_rate=5e-3,
    warmup_steps=2,
    weight_decay=0.1,
    adam_beta2=0.95,
    seed=0,
    corpus=Corpus(
        shares=NO_KIND.model_copy(update={"facts": 0.2, "lines": 0.4, "lists": 0.4}),
        program_steps=16,
        heldout_documents=32,
    ),
)


@pytest.fixture
def tokenizer():
    return make_tokenizer(11, 18)


@pytest.fixture
def model(tokenizer):
    torch.manual_seed(0)
    return create_base_model(BASE, tokenizer).eval()
