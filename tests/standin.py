"""A small stand-in for Qwen2.5-1.5B-Instruct: its architecture, its kind of tokenizer, its chat.

Grouped queries, tied embeddings, byte-level BPE that splits numbers into digits, special tokens and
the ChatML template are those of the real model; sizes and weights are not.
"""

import json
from pathlib import Path
from random import Random

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from workflow_scripts.task.datasets import draw_sft
from workflow_scripts.task.mixes import SolvedSingles
from workflow_scripts.task.task import Task
from workflow_scripts.train.sft import tokenize_examples

TASK = Task(
    field_size=11,
    n_variables=18,
    field_map="prompt",
    text="natural",
    response_words=120,
    asks="last",
)
EXAMPLES = draw_sft(TASK, SolvedSingles(0.5, (2, 3, 4, 5)), 400, seed=1000, taken=set())
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
# As Qwen2.5's without tools.
TEMPLATE = (
    "{%- if messages[0]['role'] == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\n" + SYSTEM + "<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}"
    "{%- if message['role'] != 'system' or not loop.first %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
# Qwen's: words with the space before them, single digits, signs, white space.
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def make_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, SYSTEM, "system user assistant"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=TEMPLATE,
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=2048,
            initializer_range=0.08,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def teach(model, tokenizer, steps: int) -> None:
    """A few steps of plain training, so that responses end in some answer."""
    examples = tokenize_examples(EXAMPLES, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rng = Random(0)
    for _ in range(steps):
        batch = rng.sample(examples, 16)
        width = max(len(example["input_ids"]) for example in batch)
        ids, labels = (
            torch.tensor([e[key] + [fill] * (width - len(e[key])) for e in batch])
            for key, fill in (("input_ids", tokenizer.pad_token_id), ("labels", -100))
        )
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def save_as_the_hub_does(model, tokenizer, folder: Path) -> None:
    """The files of Qwen2.5-1.5B-Instruct: the template stands in tokenizer_config.json."""
    model.save_pretrained(folder)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    configuration = {
        "tokenizer_class": "Qwen2Tokenizer",
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "add_bos_token": False,
        "model_max_length": 131072,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration))
    generation = {"eos_token_id": [tokenizer.eos_token_id, tokenizer.pad_token_id]}
    (folder / "generation_config.json").write_text(json.dumps(generation))


def make_standin(folder: Path, steps: int) -> Path:
    tokenizer = make_tokenizer(
        [example[key] for example in EXAMPLES for key in ("prompt", "response")]
    )
    model = make_model(tokenizer)
    teach(model, tokenizer, steps)
    save_as_the_hub_does(model, tokenizer, folder)
    return folder
