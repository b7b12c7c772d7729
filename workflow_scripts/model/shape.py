"""The shape of a Qwen2 model and its number of parameters, computed without loading a model.

This module does not import torch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.common.files import read_json
from workflow_scripts.settings.base import Base

ALL_LINEAR = "all-linear"


@dataclass(frozen=True)
class Shape:
    """The sizes of a Qwen2 model whose input and output embeddings are the same matrix."""

    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    mlp_size: int
    vocabulary: int

    @classmethod
    def of_base(cls, base: Base, vocabulary: int) -> "Shape":
        """The shape of a base model trained from scratch. vocabulary is the tokenizer's size."""
        return cls(base.hidden_size, base.layers, base.heads, base.heads, base.mlp_size, vocabulary)

    @property
    def _linear_layers(self) -> dict[str, tuple[int, int]]:
        """The (input size, output size) of the linear layers of one transformer block, by name."""
        hidden, keys = self.hidden_size, self.hidden_size // self.heads * self.kv_heads
        return {
            "q_proj": (hidden, hidden),
            "k_proj": (hidden, keys),
            "v_proj": (hidden, keys),
            "o_proj": (hidden, hidden),
            "gate_proj": (hidden, self.mlp_size),
            "up_proj": (hidden, self.mlp_size),
            "down_proj": (self.mlp_size, hidden),
        }

    @property
    def parameters(self) -> int:
        """The number of parameters: embeddings, transformer blocks and the final norm."""
        weights = sum(n_in * n_out for n_in, n_out in self._linear_layers.values())
        biases = sum(self._linear_layers[name][1] for name in ("q_proj", "k_proj", "v_proj"))
        norms = 2 * self.hidden_size
        return (
            self.vocabulary * self.hidden_size
            + self.layers * (weights + biases + norms)
            + self.hidden_size
        )

    def adapter_parameters(self, r: int, target_modules: str | Iterable[str]) -> int:
        """The number of parameters of a LoRA adapter of rank r: r * (inputs + outputs) per layer.

        target_modules names the adapted layers of a block, or is "all-linear".
        """
        chosen = self._linear_layers if target_modules == ALL_LINEAR else target_modules
        return self.layers * sum(r * sum(self._linear_layers[name]) for name in chosen)


# Shapes of hub models, copied from config.json of each repository.
HUB = {"Qwen/Qwen2.5-1.5B-Instruct": Shape(1536, 28, 12, 2, 8960, 151936)}


def read_shape(config: Path) -> Shape:
    """Read the shape of a model from its config.json. Raises StudyError if that is not JSON."""
    values = read_json(config)
    return Shape(
        values["hidden_size"],
        values["num_hidden_layers"],
        values["num_attention_heads"],
        values["num_key_value_heads"],
        values["intermediate_size"],
        values["vocab_size"],
    )
