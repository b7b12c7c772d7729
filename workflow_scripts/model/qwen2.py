"""The weights of a plain Qwen2 model, rearranged so that a forward pass takes few operations.

Plain means: all weights in float32, on a CPU, without an adapter. The weights of a block that
multiply the same input are stacked. The scale of each RMSNorm is multiplied into the weights after
it, and the scale of the attention scores into the weights of the queries. All of this is
differentiable. The architecture is that of transformers' Qwen2ForCausalLM.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True)
class Architecture:
    """The parts of a Qwen2 configuration (config.json) that a forward pass needs."""

    layers: int
    heads: int
    kv_heads: int
    head_size: int
    epsilon: float
    """Added to the mean square in RMSNorm."""
    rope_theta: float
    pad: int | None
    """The token whose input embedding gets no gradient, as in transformers."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Architecture | None":
        """The architecture of a model with this configuration; None if it is no plain Qwen2.

        A configuration in another form than transformers writes today is not taken for plain.
        """
        rope = config.get("rope_parameters") or {}
        heads, hidden_size = config.get("num_attention_heads"), config.get("hidden_size")
        needed: dict[str, Any] = {
            "layers": config.get("num_hidden_layers"),
            "heads": heads,
            "kv_heads": config.get("num_key_value_heads"),
            "head_size": config.get("head_dim") or (heads and hidden_size and hidden_size // heads),
            "epsilon": config.get("rms_norm_eps"),
            "rope_theta": rope.get("rope_theta"),
        }
        is_plain = (
            config.get("model_type") == "qwen2"
            and config.get("hidden_act") == "silu"
            and rope.get("rope_type") == "default"
            and not config.get("rope_scaling")
            and not config.get("use_sliding_window")
            and not config.get("attention_dropout")
            and not config.get("quantization_config")
            and all(value is not None for value in needed.values())
        )
        return cls(**needed, pad=config.get("pad_token_id")) if is_plain else None

    def rotations(self, n_positions: int) -> torch.Tensor:
        """Rotary position embedding as complex numbers, of shape (positions, 1, head size / 2)."""
        size = self.head_size
        frequencies = 1 / self.rope_theta ** (torch.arange(0, size, 2).float() / size)
        angles = torch.arange(n_positions).float()[:, None, None] * frequencies
        return torch.polar(torch.ones_like(angles), angles)


class Block(NamedTuple):
    """The weights of a transformer block. Each is of shape (outputs, inputs)."""

    qkv: torch.Tensor
    qkv_bias: torch.Tensor
    output: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


@dataclass(frozen=True)
class Qwen2:
    """A plain Qwen2 model. Heads of queries, keys and values are stacked in this order."""

    architecture: Architecture
    embedding: torch.Tensor
    blocks: list[Block]
    head: torch.Tensor

    @classmethod
    def fold(cls, architecture: Architecture, weights: Mapping[str, torch.Tensor]) -> "Qwen2":
        """Rearrange weights, which have the names of transformers' Qwen2ForCausalLM."""
        size = architecture.head_size
        # transformers rotates element i of a head with element i + size / 2. Here the two lie side
        # by side, which makes them one complex number.
        side_by_side = torch.arange(size).view(2, size // 2).T.flatten()

        def paired(name: str, n_heads: int) -> torch.Tensor:
            weight = weights[name]
            heads = weight.view(n_heads, size, *weight.shape[1:])
            return heads.index_select(1, side_by_side).view_as(weight)

        def block(index: int) -> Block:
            prefix = f"model.layers.{index}"
            attention, mlp = f"{prefix}.self_attn", f"{prefix}.mlp"
            before_attention = weights[f"{prefix}.input_layernorm.weight"]
            before_mlp = weights[f"{prefix}.post_attention_layernorm.weight"]
            stacked = {
                kind: torch.cat(
                    [
                        paired(f"{attention}.q_proj.{kind}", architecture.heads) * size**-0.5,
                        paired(f"{attention}.k_proj.{kind}", architecture.kv_heads),
                        weights[f"{attention}.v_proj.{kind}"],
                    ]
                )
                for kind in ("weight", "bias")
            }
            gate_up = torch.cat(
                [weights[f"{mlp}.gate_proj.weight"], weights[f"{mlp}.up_proj.weight"]]
            )
            return Block(
                qkv=stacked["weight"] * before_attention,
                qkv_bias=stacked["bias"],
                output=weights[f"{attention}.o_proj.weight"],
                gate_up=gate_up * before_mlp,
                down=weights[f"{mlp}.down_proj.weight"],
            )

        embedding = weights["model.embed_tokens.weight"]
        # Tied embeddings are saved once. A model without a head of its own has them.
        head = weights.get("lm_head.weight", embedding)
        return cls(
            architecture=architecture,
            embedding=embedding,
            blocks=[block(index) for index in range(architecture.layers)],
            head=head * weights["model.norm.weight"],
        )


def rotate(heads: torch.Tensor, rotations: torch.Tensor) -> None:
    """Apply rotary position embedding to heads of shape (rows, heads, size), in place.

    rotations are of shape (rows, 1, size / 2).
    """
    torch.view_as_complex(heads.unflatten(-1, (-1, 2))).mul_(rotations)


def visible_to_prompts(is_token: torch.Tensor) -> torch.Tensor:
    """Which tokens of padded prompts see which, (prompts, 1, width, width), in causal attention.

    is_token is of shape (prompts, width).
    """
    width = is_token.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    # Padding sees itself, because a softmax over no keys at all is not defined.
    return (causal & is_token[:, None, None]) | torch.eye(width, dtype=torch.bool)


def attend(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """The output of attention, (rows, tokens, heads, size), from (rows, heads, tokens, size).

    Queries are scaled already. keys and values may have fewer heads than queries.
    """
    grouped = queries.shape[1] != keys.shape[1]
    attended = scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, scale=1.0, enable_gqa=grouped
    )
    return attended.transpose(1, 2)
