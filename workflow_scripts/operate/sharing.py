"""Share a finished tier through a DVC remote: data, models, rollouts, tables and figures.

    python -m workflow_scripts.operate.sharing publish --tier laptop --remote s3://bucket/study
    python -m workflow_scripts.operate.sharing restore --tier laptop

The remote can be a folder or an S3 bucket. `publish` pushes data/TIER and results/TIER. These
include the receipts (what each job read and wrote, as hashes), so that a clone knows which jobs a
later change makes stale. Git keeps the hash of every file in a manifest. `restore` compares the
files from the remote with these hashes before it writes any file into the project.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import yaml

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import atomic_path, read_json, run_program, sha256, write_json
from workflow_scripts.common.lock import LOCK, lock_folder, unlock_folder
from workflow_scripts.operate.contents import CACHE, Contents
from workflow_scripts.operate.failures import FAILED
from workflow_scripts.operate.places import (
    REPORT,
    ROLLOUTS,
    SET_ASIDE,
    is_in_tier,
    restoring_mark,
    tier_folders,
)
from workflow_scripts.operate.receipts import Judgement
from workflow_scripts.operate.run_cache import RUN_CACHE
from workflow_scripts.operate.verify import judge_jobs, read_plan_of_tier, refuse_unless_good
from workflow_scripts.plan.plan import Plan
from workflow_scripts.train.run_folder import SCRATCH

_REMOTE = "study"  # DVC's name of the remote
# Files and folders with these names are not shared; .dvcignore lists the same names.
_NOT_SHARED = {SCRATCH, LOCK, CACHE, RUN_CACHE, SET_ASIDE, FAILED, REPORT, ROLLOUTS}
_HALF_WRITTEN = ".tmp"
# Folders of results/<tier> whose files are not outputs of jobs, so that no receipt names them.
_WITHOUT_RECEIPT = ("receipts", "plan", "logs", "benchmarks")


def manifest_path(tier: str) -> Path:
    """The manifest: a file, kept in git, with the hash of every published file of a tier."""
    return Path("results", f"{tier}.manifest.json")


def _is_shared(path: PurePosixPath) -> bool:
    return not _NOT_SHARED & set(path.parts) and path.suffix != _HALF_WRITTEN


def _files(tier: str) -> list[Path]:
    """The files of a tier that are shared."""
    return [
        path
        for folder in tier_folders(tier)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _is_shared(PurePosixPath(path))
    ]


def _dvc(*arguments: str) -> str:
    """Run DVC and return its output. Raises StudyError with DVC's error message if DVC fails."""
    command = [sys.executable, "-m", "dvc", *arguments]
    environment = {**os.environ, "DVC_SITE_CACHE_DIR": str(Path(".dvc/tmp/site").resolve())}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        told = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        raise StudyError(" ".join(told or run.stderr.splitlines()[-3:]))
    return run.stdout


def publish(tier: str, remote: str) -> None:
    """Push a finished tier to a remote, and write the files that the user then commits to git.

    Raises StudyError if a job is not good, if there is a file that no job made, or if DVC fails.
    """
    plan = read_plan_of_tier(tier)
    lock = lock_folder(plan.results)
    judgement = judge_jobs(plan, plan.jobs, Contents())
    refuse_unless_good(plan, ["all"], judgement)
    refuse_unknown_files(plan, judgement)
    write_json(manifest_path(tier), {str(path): sha256(path) for path in _files(tier)})
    _dvc("remote", "add", "--force", "--default", _REMOTE, remote)
    _dvc("add", "--quiet", *map(str, tier_folders(tier)))
    _dvc("push", *(f"{folder}.dvc" for folder in tier_folders(tier)))
    unlock_folder(lock)


def refuse_unknown_files(plan: Plan, judgement: Judgement) -> None:
    """Raise StudyError if the tier's folders hold a file that no good job of the plan made."""
    made = {
        file
        for name, receipt in judgement.receipts.items()
        if receipt and judgement.verdicts[name].good
        for file in receipt.outputs
    }
    known = tuple(plan.results / folder for folder in _WITHOUT_RECEIPT)
    unknown = [
        path
        for path in _files(plan.study.tier)
        if str(path) not in made and not any(path.is_relative_to(folder) for folder in known)
    ]
    if unknown:
        listed = ", ".join(map(str, unknown[:5]))
        raise StudyError(f"no job of this configuration made {listed}: move it away and try again")


def _read_manifest(tier: str) -> dict[str, str]:
    """The hash of every published file, by path.

    Raises StudyError if the manifest is missing, or names a file outside the tier.
    """
    path = manifest_path(tier)
    if not path.is_file():
        raise StudyError(
            f"this clone holds no {path}: the tier {tier} was not published in it. Its publisher "
            f"runs make publish TIER={tier} REMOTE=..., and commits the files that it names"
        )
    expected = read_json(path)
    for name in expected:
        if not is_in_tier(name, tier) or not _is_shared(PurePosixPath(name)):
            raise StudyError(
                f"{path} names {name}, which is no file of this tier: ask the tier's publisher "
                "for a correct one"
            )
    return expected


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _listed(folder: Path, cache: Path) -> Iterator[tuple[str, Path]]:
    """For each file of a folder on the remote, its name and its path in DVC's cache.

    DVC keeps the names in a listing. Its MD5 is in <folder>.dvc, which git keeps. Raises StudyError
    if the listing is missing or differs from its MD5.
    """
    pointer = yaml.safe_load(Path(f"{folder}.dvc").read_text(encoding="utf-8"))
    (out,) = pointer["outs"]
    listing = cache / out["md5"][:2] / out["md5"][2:]
    if not listing.is_file():
        raise StudyError(
            f"{folder} is not on the remote of .dvc/config: is that the one to which it was "
            "published, and do you have access to it?"
        )
    if _md5(listing) != out["md5"].removesuffix(".dir"):
        listing.unlink()
        raise StudyError(
            f"the remote's list of the files in {folder} differs from its hash: ask the publisher "
            "to publish again"
        )
    for entry in json.loads(listing.read_text(encoding="utf-8")):
        place = cache / entry["md5"][:2] / entry["md5"][2:]
        yield f"{folder.as_posix()}/{entry['relpath']}", place


def _refusal(wrong: dict[str, str]) -> StudyError:
    """The error for refused files of the remote. wrong has the fault of each file."""
    listed = "; ".join(f"{path} {fault}" for path, fault in sorted(wrong.items())[:5])
    return StudyError(
        f"{len(wrong)} files from the remote are refused, so nothing was restored: {listed}"
    )


def _fetch(tier: str, expected: dict[str, str]) -> dict[str, Path]:
    """Download a tier into DVC's cache. Returns the path in the cache of each file, by name.

    expected has the hash of every file. Raises StudyError if a file is missing, unexpected, or
    differs from its hash. Files that differ are removed from the cache, so that the next try
    downloads them again.
    """
    try:
        _dvc("fetch", *(f"{folder}.dvc" for folder in tier_folders(tier)))
    except StudyError as error:
        raise StudyError(
            f"the tier {tier} cannot be fetched from the remote of .dvc/config ({error}): is it "
            "there, and do you have access to it?"
        ) from None
    cache = Path(_dvc("cache", "dir").strip()) / "files/md5"
    found = dict(entry for folder in tier_folders(tier) for entry in _listed(folder, cache))
    wrong = {name: "is missing" for name in expected.keys() - found.keys()}
    wrong |= {name: "was not published" for name in found.keys() - expected.keys()}
    if wrong:
        raise _refusal(wrong)
    for name, path in found.items():
        if not path.is_file():
            wrong[name] = "is not on the remote"
        elif sha256(path) != expected[name]:
            wrong[name] = "differs from its hash"
            path.unlink()  # so that the next try downloads the file again
    if wrong:
        raise _refusal(wrong)
    return found


def _refuse_occupied(tier: str, folders: list[Path]) -> None:
    """Raise StudyError if a folder of the tier is a symbolic link or has content.

    Content that an interrupted restore left is allowed.
    """
    for folder in folders:
        if folder.is_symlink() or folder.parent.is_symlink():
            raise StudyError(f"{folder} is a symbolic link: put a folder there and restore again")
        mine = (path for path in folder.glob("*") if path.name not in _NOT_SHARED)
        if any(mine) and not restoring_mark(tier).exists():
            raise StudyError(f"{folder} holds something already: move it away and restore again")


def restore(tier: str) -> None:
    """Download a published tier into a clone that has no results of the tier.

    Raises StudyError, before it writes any file, if a file differs from the published one.
    """
    expected, folders, mark = _read_manifest(tier), tier_folders(tier), restoring_mark(tier)
    had_results = folders[-1].exists()
    _refuse_occupied(tier, folders)
    lock = lock_folder(folders[-1])
    try:
        places = _fetch(tier, expected)
        # While this file exists, no study starts. A study would make files that are not yet copied.
        mark.touch()
        for folder in folders:  # remove files that an interrupted restore left
            for path in (path for path in folder.glob("*") if path.name not in _NOT_SHARED):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, place in places.items():
            with atomic_path(Path(name)) as temporary:
                shutil.copyfile(place, temporary)
        mark.unlink()
    finally:
        unlock_folder(lock)
        if not had_results and not any(folders[-1].iterdir()):
            folders[-1].rmdir()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("publish", "restore"):
        kinds.add_parser(kind).add_argument("--tier", required=True)
    kinds.choices["publish"].add_argument("--remote", required=True, help="a folder or s3://...")
    arguments = vars(parser.parse_args())
    if arguments.pop("kind") == "publish":
        publish(**arguments)
        tier = arguments["tier"]
        print(f"published; now: git add .dvc data/{tier}.dvc results/{tier}.* && git commit")
    else:
        restore(**arguments)
        print(f"restored and verified: {', '.join(map(str, tier_folders(arguments['tier'])))}")


if __name__ == "__main__":
    run_program(main)
