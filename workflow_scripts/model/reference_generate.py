"""The decode loop for every model that transformers knows.

The model reads each prompt once. The resulting key-value cache is repeated for the prompt's
samples, with room for all new tokens. Rows that have ended are removed from the batch. The samples
follow the same distribution as plain token-by-token sampling at the given temperature.
"""

from typing import Any, cast

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from workflow_scripts.model.draw import ENDED_SHARE, SamplingParameters, draw_tokens
from workflow_scripts.model.store import LanguageModel


class _RoomyLayer(DynamicLayer):
    """A cache layer with room for new tokens, which are written in place.

    transformers' DynamicLayer copies its whole content for every new token. prefilled holds the
    states of the prompts; each row is repeated ``repeats`` times. room is a number of tokens.
    """

    def __init__(self, prefilled: DynamicLayer, repeats: int, room: int) -> None:
        super().__init__()
        keys, values = prefilled.keys, prefilled.values
        assert keys is not None and values is not None, "a prefilled layer has states"
        self.lazy_initialization(keys, values)
        self.length = prefilled.get_seq_length()
        rows, heads, _, size = keys.shape
        shape = rows * repeats, heads, self.length + room, size
        self.buffers = []
        for states in (keys, values):
            buffer = states.new_empty(shape)
            buffer[:, :, : self.length] = states.repeat_interleave(repeats, dim=0)
            self.buffers.append(buffer)
        self._view()

    def _view(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Set and return keys and values, each of shape (rows, heads, length, size)."""
        keys, values = (buffer[:, :, : self.length] for buffer in self.buffers)
        self.keys, self.values = keys, values
        return keys, values

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states of new tokens, of shape (rows, heads, tokens, size). Returns all states."""
        start, self.length = self.length, self.length + key_states.shape[-2]
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, start : self.length] = states
        return self._view()

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep only the rows with the given indices."""
        self.buffers = [buffer[indices] for buffer in self.buffers]
        self._view()


def _left_pad(
    prompts: list[list[int]], pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad prompts on the left. Returns token ids and attention mask, each (prompts, longest)."""
    width = max(map(len, prompts))
    ids = torch.tensor(
        [[pad] * (width - len(prompt)) + prompt for prompt in prompts], device=device
    )
    mask = torch.tensor(
        [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device
    )
    return ids, mask


@torch.no_grad()
def reference_generate(
    model: LanguageModel,
    prompts: list[list[int]],
    n_samples: int,
    parameters: SamplingParameters,
    generator: torch.Generator,
) -> list[list[int]]:
    """Sample n_samples completions of each prompt, as `model.generate.generate` does.

    The model is in evaluation mode (no dropout) while sampling, and returns to its previous mode
    afterwards.
    """
    end_tokens, max_new_tokens = parameters.end_tokens, parameters.max_new_tokens
    was_training = model.training
    model.eval()
    try:
        ids, mask = _left_pad(prompts, pad=min(end_tokens), device=model.device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        prefilled = DynamicCache(config=model.config)
        output = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=prefilled,
            use_cache=True,
            logits_to_keep=1,
        )
        room = max_new_tokens - 1  # the last sampled token is not fed back into the model
        layers = cast(list[DynamicLayer], prefilled.layers)
        cache = Cache(layers=[_RoomyLayer(layer, n_samples, room) for layer in layers])
        logits = output.logits[:, -1].repeat_interleave(n_samples, 0)
        mask = mask.repeat_interleave(n_samples, 0)
        position = positions[:, -1:].repeat_interleave(n_samples, 0)
        ends = torch.tensor(sorted(end_tokens), device=model.device)
        rows = torch.arange(len(mask), device=model.device)  # the completion of each row
        ended = torch.zeros(len(mask), dtype=torch.bool, device=model.device)
        tokens = torch.full((len(mask), max_new_tokens), -1, device=model.device)
        for index in range(max_new_tokens):
            token = draw_tokens(logits, parameters, generator)
            tokens[rows, index] = torch.where(ended, -1, token)
            ended |= torch.isin(token, ends)
            n_ended = int(ended.sum())
            if n_ended == len(rows) or index + 1 == max_new_tokens:
                break
            if n_ended >= ENDED_SHARE * len(rows):
                keep = (~ended).nonzero()[:, 0]
                cache.batch_select_indices(keep)
                rows, mask, position, token = rows[keep], mask[keep], position[keep], token[keep]
                ended = ended[keep]
            position = position + 1
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            output = model(
                input_ids=token[:, None],
                attention_mask=mask,
                position_ids=position,
                past_key_values=cache,
                use_cache=True,
            )
            logits = output.logits[:, -1]
    finally:
        model.train(was_training)
    return [[token for token in row if token >= 0] for row in tokens.tolist()]
