"""Collect what an experiment's runs left behind into one file, every row named by its run.

    python -m workflow_scripts.evaluate.collect --help

- scores: rollouts of one evaluation, counted for each run, checkpoint and problem;
- training: the rollouts of RL, by step and strategy;
- sft: the validation cross-entropy after SFT;
- provenance: which code and which commit made the runs. Runs of one experiment that were made by
  different code are refused: their numbers must not stand side by side.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from workflow_scripts.evaluate.files import read_table, write_whole
from workflow_scripts.evaluate.label import KEYS
from workflow_scripts.files import StudyError, damaged, read_json, run_stage, write_json
from workflow_scripts.task.classify import LABELS
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.task.strategies import FITTING_STRATEGY

IDENTITY = ["model", "stage", "condition", "seed", "run"]


def count_rollouts(
    rollouts: pd.DataFrame, labels: pd.DataFrame, problems: list[dict]
) -> pd.DataFrame:
    """One row for each checkpoint and problem: how many rollouts, correct, of each strategy ..."""
    frame = rollouts.drop(columns=["text", "seed"]).merge(labels, on=KEYS, validate="one_to_one")
    if not len(frame) == len(rollouts) == len(labels):
        raise StudyError("rollouts and labels do not match: delete the labels and run again")
    known = pd.DataFrame(problems)[["id", "type", "steps", "parts"]].rename(
        columns={"id": "problem"}
    )
    frame = frame.merge(known, on="problem", validate="many_to_one")
    fitting = frame["strategy"].astype(str) == frame["type"].map(FITTING_STRATEGY)
    counts = {"n": 1, "correct": frame["reward"] == 1, "complete": frame["complete"]}
    counts |= {label: frame["strategy"] == label for label in LABELS}
    counts |= {"fitting": fitting, "correct_fitting": fitting & (frame["reward"] == 1)}
    counts["words"] = frame["words"]
    groups = frame[["checkpoint", "problem", "type", "steps", "parts"]]
    summed = pd.DataFrame(counts, index=frame.index).astype("int64")
    return groups.join(summed).groupby(list(groups.columns), as_index=False).sum()


def _join(frames: list[tuple[dict, pd.DataFrame]]) -> pd.DataFrame:
    """One table of the members' tables, each row with its member's identity."""
    named = [
        frame.assign(**{key: member[key] for key in IDENTITY})[[*IDENTITY, *frame.columns]]
        for member, frame in frames
    ]
    return pd.concat(named, ignore_index=True) if named else pd.DataFrame(columns=IDENTITY)


def collect_scores(members: list[dict], evaluation: str) -> pd.DataFrame:
    """Count the rollouts of an evaluation; a member names its rollouts, labels and problems."""
    counted = [
        (
            member,
            count_rollouts(
                read_table(Path(member["rollouts"]), ["text", "reward"]),
                read_table(Path(member["labels"]), ["strategy"]),
                read_dataset(Path(member["problems"])),
            ),
        )
        for member in members
    ]
    return _join([(member, frame.assign(evaluation=evaluation)) for member, frame in counted])


def collect_training(members: list[dict]) -> pd.DataFrame:
    """Join the rollout logs of RL runs; a member names its rollouts.csv as ``training``."""
    return _join([(m, read_table(Path(m["training"]), ["step"])) for m in members])


def collect_sft(members: list[dict], split: str) -> pd.DataFrame:
    """Cross-entropy on a split of the validation problems; a member names its run.json."""
    measured = []
    for member in members:
        validation = read_json(Path(member["record"]))["validation"]
        (values,) = (v for name, v in validation.items() if f"-{split}-" in name)
        measured.append((member, pd.DataFrame([values])))
    return _join(measured)


def _sampled_by(path: Path) -> dict:
    """The code and commit that made a file of rollouts, as run.json has them."""
    try:
        metadata = pq.read_schema(path).metadata
        return {key: metadata[key.encode()].decode() for key in ("stage", "code_hash", "commit")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, f"no provenance, {error}") from None


def collect_provenance(records: list[Path], rollouts: list[Path]) -> dict[str, dict]:
    """Code hash, commits and number of files of each stage: {stage: {code_hash, commits, n}}.

    Raises StudyError naming two files of a stage that were made by different code.
    """
    made = [(path, read_json(path)) for path in records]
    made += [(path, _sampled_by(path)) for path in rollouts]
    stages: dict[str, dict] = {}
    first: dict[str, Path] = {}
    for path, record in made:
        name, code_hash = record["stage"], record["code_hash"]
        stage = stages.setdefault(name, {"code_hash": code_hash, "commits": [], "n": 0})
        if stage["code_hash"] != code_hash:
            raise StudyError(
                f"{path} and {first[name]} were made by different code of {name}: delete the older "
                "one and run snakemake again"
            )
        first.setdefault(name, path)
        stage["n"] += 1
        if record["commit"] not in stage["commits"]:
            stage["commits"].append(record["commit"])
    return stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("scores", "training", "sft"):
        of_kind = kinds.add_parser(kind)
        of_kind.add_argument("--members", type=json.loads, required=True, help="runs, as JSON")
        of_kind.add_argument("--output", type=Path, required=True)
    kinds.choices["scores"].add_argument("--evaluation", required=True)
    kinds.choices["sft"].add_argument("--split", required=True, help="of the validation problems")
    provenance = kinds.add_parser("provenance")
    provenance.add_argument("--records", type=Path, nargs="+", required=True, help="run.json")
    provenance.add_argument("--rollouts", type=Path, nargs="+", required=True)
    provenance.add_argument("--output", type=Path, required=True)
    arguments = vars(parser.parse_args())
    kind, output = arguments.pop("kind"), arguments.pop("output")
    if kind == "provenance":
        write_json(output, collect_provenance(**arguments))
        return
    collect = {"scores": collect_scores, "training": collect_training, "sft": collect_sft}
    frame = collect[kind](**arguments)
    to_csv = partial(frame.to_csv, index=False)
    write_whole({output: frame.to_parquet if output.suffix == ".parquet" else to_csv})


if __name__ == "__main__":
    run_stage(main)
