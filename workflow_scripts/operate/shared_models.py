"""What others can build on without training: small models of one seed, and some of their rollouts.

Models are kept in half precision, which halves their size. Loading turns the weights into float32
again, so a kept model differs from the original by the rounding of its weights alone.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file, save_file

from workflow_scripts.common.files import atomic_path, sha256_tree, write_json
from workflow_scripts.evaluate.label import KEYS
from workflow_scripts.evaluate.storage import read_table
from workflow_scripts.model.manifest import MANIFEST, verify_model
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.task.label import Label

_WEIGHTS = "model.safetensors"
# Of each kind (type, steps and parts) the first problems are kept, with one response each.
PROBLEMS_OF_A_KIND = 8
# The columns of the kept responses, beside that of their run. Kept problems have one part.
_KEPT = ["type", "steps", "prompt", "text", "reward", *Label._fields]


def keep_model(folder: Path, target: Path) -> None:
    """Copy a model, with its weights in half precision, and replace a copy that is there.

    Raises StudyError if a file of the model is missing or altered.
    """
    verify_model(folder)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in folder.iterdir():
        if path.name not in (MANIFEST, _WEIGHTS):
            shutil.copyfile(path, target / path.name)
    halved = {name: weight.half() for name, weight in load_file(folder / _WEIGHTS).items()}
    save_file(halved, target / _WEIGHTS, metadata={"format": "pt"})
    write_json(target / MANIFEST, {"files": sha256_tree(target)})


def sample_of(rollouts: Path, labels: Path, problems: Path) -> pd.DataFrame:
    """One response to some problems of each kind, with its prompt, reward and label."""
    kinds = ["type", "steps", "parts"]
    rows = pd.DataFrame(read_dataset(problems))[["id", *kinds, "prompt"]]
    rows = rows.rename(columns={"id": "problem"})
    some = rows.groupby(kinds).head(PROBLEMS_OF_A_KIND)
    responses = read_table(rollouts, ["problem", "sample", "text", "reward"])
    labelled = responses.merge(read_table(labels, list(Label._fields)), on=KEYS)
    first = labelled[labelled["sample"] == 0]
    return some.merge(first, on="problem")[[*_KEPT, "parts"]]


def keep_samples(samples: Iterable[tuple[str, pd.DataFrame]], path: Path) -> None:
    """Write the responses of several runs to a CSV file. samples has the name of each run."""
    frames = [frame.assign(run=run)[["run", *_KEPT]] for run, frame in samples]
    with atomic_path(path) as temporary:
        pd.concat(frames, ignore_index=True).to_csv(temporary, index=False)
