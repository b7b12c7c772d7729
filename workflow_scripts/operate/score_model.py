"""Sample responses of any Hugging Face model to a validation set, and score them.

    python -m workflow_scripts.operate.score_model model confirm.jsonl --output scores

The folder of the model needs no manifest (see model.foreign). Prompts are those of the data set, as
a user message if the tokenizer has a chat template. The output folder gets responses.jsonl, and the
files of operate.score.
"""

import argparse
import json
from pathlib import Path

import torch

from workflow_scripts.common.files import run_program, write_text
from workflow_scripts.evaluate.sample import sample_model
from workflow_scripts.model.device import prepare_torch
from workflow_scripts.model.foreign import load_foreign
from workflow_scripts.operate.arguments import count, positive
from workflow_scripts.operate.responses import read_responses
from workflow_scripts.operate.score import score
from workflow_scripts.settings.model import Compute
from workflow_scripts.settings.sampling import Decoding, SamplingSettings
from workflow_scripts.task.strangers import read_given_dataset


def sample_responses(
    model: Path, problems: Path, n_samples: int, settings: SamplingSettings, output: Path
) -> None:
    """Write n_samples responses of a model to each problem, in the form of operate.responses.

    Raises StudyError if the model or the data set cannot be read.
    """
    rows = read_given_dataset(problems)
    prepare_torch(settings.model)
    policy, codec = load_foreign(model, settings.model)
    name = model.resolve().name
    rollouts = sample_model(policy, codec, rows, n_samples, settings, stream=name)
    lines = [
        {
            "problem": rollout["problem"],
            "sample": rollout["sample"],
            "model": name,
            "response": rollout["text"],
            "complete": rollout["complete"],
        }
        for rollout in rollouts
    ]
    write_text(output, "".join(json.dumps(line) + "\n" for line in lines))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="the folder of a Hugging Face model")
    parser.add_argument("problems", type=Path, help="a validation set of task.datasets")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write")
    parser.add_argument("--samples", type=count, default=16, help="responses to each problem")
    parser.add_argument("--temperature", type=positive, default=1.0)
    parser.add_argument("--max-new-tokens", type=count, default=512, help="of a response")
    parser.add_argument("--batch-size", type=count, default=64, help="responses sampled at once")
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"), default="cpu")
    arguments = parser.parse_args()
    settings = SamplingSettings(
        model=Compute(
            device=arguments.device,
            dtype="bfloat16" if arguments.device == "cuda" else "float32",
            threads=torch.get_num_threads(),
        ),
        sampling=Decoding(
            temperature=arguments.temperature, batch_size=arguments.batch_size, seed=0
        ),
        max_new_tokens=arguments.max_new_tokens,
    )
    output = arguments.output / "responses.jsonl"
    sample_responses(arguments.model, arguments.problems, arguments.samples, settings, output)
    responses = read_responses(output, arguments.problems)
    print(score(responses, f"Scores of {arguments.model}", arguments.output))


if __name__ == "__main__":
    run_program(main)
