"""A small model with random weights."""

import pytest
import torch

from workflow_scripts.model.store import create_base_model
from workflow_scripts.model.tokenizer import make_tokenizer

BASE = {"hidden_size": 32, "layers": 2, "heads": 2, "mlp_size": 64, "initializer_range": 0.3}


@pytest.fixture
def tokenizer():
    return make_tokenizer(11, 18)


@pytest.fixture
def model(tokenizer):
    torch.manual_seed(0)
    return create_base_model(BASE, tokenizer).eval()
