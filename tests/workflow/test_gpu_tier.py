"""The gpu tier's way from its base model to Table 1, at toy size on a CPU."""

import json

import pytest

pytestmark = pytest.mark.slow

SMALL = [
    "seeds=[0]",
    "model={device: cpu, threads: 1}",
    "base={hidden_size: 32, layers: 1, heads: 2, mlp_size: 32, steps: 20, batch_size: 8, "
    "warmup_steps: 2, corpus: {heldout_documents: 16}}",
    "data={sft_examples: 64, rl_prompts: 16, validation_problems: 16}",
    "sft={epochs: 1}",
    "rl={steps: 2, batch_size: 16, micro_batch_size: 16, scored_steps: [1]}",
    "sampling={n_samples: 2, pass_at_k: {n_problems: 16, n_samples: 2}}",
    "experiments={main: {models: [FB], rl_steps: [{low: 6, high: 9}]}, "
    "robustness: {enabled: false}}",
]


def test_a_base_model_trained_on_the_spot_learns_from_prompts_with_a_field_map(project):
    done = project.snakemake("table1", "--cores", "1", "--config", *SMALL, tier="gpu")
    assert done.returncode == 0, done.stderr[-4000:]
    results = project.folder / "results/gpu"
    assert "FB,RL(6-9)," in (results / "tables/table1.csv").read_text()
    (data,) = (project.folder / "data/gpu").glob("*/rl-6-9-s0.jsonl")
    prompt = json.loads(data.read_text().splitlines()[1])["prompt"]
    assert prompt.startswith("map 0 = e")
    records = [json.loads(path.read_text()) for path in results.glob("*/*/run.json")]
    records += [json.loads(path.read_text()) for path in results.glob("rollouts/*/*.json")]
    assert len(records) == 3 + 2, "base, SFT and RL; rollouts of SFT and RL"
    for record in records:
        assert record["device"]
        assert record["peak_memory_mib"] > 50
        assert record["tokens_per_second"] > 0
    stages = [record["settings"]["model"]["dtype"] for record in records[:3]]
    assert stages == ["bfloat16"] * 3, "mixed precision, as on a GPU"
