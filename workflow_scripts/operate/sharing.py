"""Share a finished tier through a DVC remote: models, rollouts, labels and all that rests on them.

    python -m workflow_scripts.operate.sharing publish --tier laptop --remote s3://bucket/study
    python -m workflow_scripts.operate.sharing restore --tier laptop

A folder or an S3 bucket can be the remote. Published are data/TIER and results/TIER, receipts
included: with these a clone knows, as the study's first folder does, which jobs a change concerns.
Git keeps the hash of every file. What comes from a remote is compared with them before any of it
is written into the project.
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
from workflow_scripts.operate.receipts import judge, read_receipts
from workflow_scripts.operate.run_cache import RUN_CACHE
from workflow_scripts.operate.verify import read_plan_of_tier, refuse_unless_good
from workflow_scripts.plan.plan import Plan
from workflow_scripts.train.run_folder import SCRATCH

SET_ASIDE, FAILED = "set-aside", "failed"
_REMOTE = "study"
_OWN = {SCRATCH, LOCK, CACHE, RUN_CACHE, SET_ASIDE, FAILED}  # of one machine; as in .dvcignore
_HALF_WRITTEN = ".tmp"
_ABOUT = ("receipts", "plan", "logs", "benchmarks")  # of the products, and none themselves


def shared_folders(tier: str) -> list[Path]:
    """Where everything of a tier lies."""
    return [Path("data", tier), Path("results", tier)]


def manifest_path(tier: str) -> Path:
    return Path("results", f"{tier}.manifest.json")


def restoring_mark(tier: str) -> Path:
    """A file that is there while a tier is being restored, and after that was interrupted."""
    return Path("results", f"{tier}.restoring")


def _is_shared(path: PurePosixPath) -> bool:
    return not _OWN & set(path.parts) and path.suffix != _HALF_WRITTEN


def _files(tier: str) -> list[Path]:
    """What is shared of a tier."""
    return [
        path
        for folder in shared_folders(tier)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _is_shared(PurePosixPath(path))
    ]


def _dvc(*arguments: str) -> str:
    """Run DVC and return what it says. Raises StudyError with its error."""
    command = [sys.executable, "-m", "dvc", *arguments]
    environment = {**os.environ, "DVC_SITE_CACHE_DIR": str(Path(".dvc/tmp/site").resolve())}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        told = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        raise StudyError(" ".join(told or run.stderr.splitlines()[-3:]))
    return run.stdout


def publish(tier: str, remote: str) -> None:
    """Push a finished tier to a remote, and leave what is to be committed in the working tree.

    Raises StudyError if a product is not good.
    """
    plan = read_plan_of_tier(tier)
    lock = lock_folder(plan.results)
    refuse_unless_good(plan, ["all"])
    _refuse_others(plan)
    write_json(manifest_path(tier), {str(path): sha256(path) for path in _files(tier)})
    _dvc("remote", "add", "--force", "--default", _REMOTE, remote)
    _dvc("add", "--quiet", *map(str, shared_folders(tier)))
    _dvc("push", *(f"{folder}.dvc" for folder in shared_folders(tier)))
    unlock_folder(lock)


def _refuse_others(plan: Plan) -> None:
    """Raise StudyError for a file that no good job made: nobody could say what it is."""
    receipts = read_receipts(plan.results, plan.jobs)
    verdicts = judge(plan.jobs, receipts, Contents(plan.results))
    made = {
        file
        for name, receipt in receipts.items()
        if receipt and verdicts[name].good
        for file in receipt.outputs
    }
    about = tuple(plan.results / folder for folder in _ABOUT)
    others = [
        path
        for path in _files(plan.study.tier)
        if str(path) not in made and not any(path.is_relative_to(folder) for folder in about)
    ]
    if others:
        listed = ", ".join(map(str, others[:5]))
        raise StudyError(f"no job of this configuration made {listed}: move it away and try again")


def _read_manifest(tier: str) -> dict[str, str]:
    """The hash of every file that was published. Raises StudyError if there is none."""
    path = manifest_path(tier)
    if not path.is_file():
        raise StudyError(
            f"this clone holds no {path}: the tier {tier} was not published in it. Its publisher "
            f"runs make publish TIER={tier} REMOTE=..., and commits what that names"
        )
    expected = read_json(path)
    for name in expected:
        parts = PurePosixPath(name)
        inside = any(parts.is_relative_to(folder) for folder in shared_folders(tier))
        if not inside or ".." in parts.parts or not _is_shared(parts):
            raise StudyError(f"{path} names {name}, which is no file of this tier: refused")
    return expected


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _listed(folder: Path, cache: Path) -> Iterator[tuple[str, Path]]:
    """The files that a remote has of a folder: name, and place in DVC's cache."""
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
            f"the remote's list of the files in {folder} differs from its hash: refused"
        )
    for entry in json.loads(listing.read_text(encoding="utf-8")):
        place = cache / entry["md5"][:2] / entry["md5"][2:]
        yield f"{folder.as_posix()}/{entry['relpath']}", place


def _refuse(wrong: dict[str, str]) -> StudyError:
    listed = "; ".join(f"{path} {fault}" for path, fault in sorted(wrong.items())[:5])
    return StudyError(
        f"{len(wrong)} files from the remote are refused, so nothing was restored: {listed}"
    )


def _fetch(tier: str, expected: dict[str, str]) -> dict[str, Path]:
    """Bring a tier into DVC's cache; where each of its files lies there, by name.

    Raises StudyError, and leaves nothing altered in the cache, unless names and contents are those
    expected.
    """
    try:
        _dvc("fetch", *(f"{folder}.dvc" for folder in shared_folders(tier)))
    except StudyError as error:
        raise StudyError(
            f"the tier {tier} cannot be fetched from the remote of .dvc/config ({error}): is it "
            "there, and do you have access to it?"
        ) from None
    cache = Path(_dvc("cache", "dir").strip()) / "files/md5"
    found = dict(entry for folder in shared_folders(tier) for entry in _listed(folder, cache))
    wrong = {name: "is missing" for name in expected.keys() - found.keys()}
    wrong |= {name: "was not published" for name in found.keys() - expected.keys()}
    if wrong:
        raise _refuse(wrong)
    for name, path in found.items():
        if not path.is_file():
            wrong[name] = "is not on the remote"
        elif sha256(path) != expected[name]:
            wrong[name] = "differs from its hash"
            path.unlink()  # it would be taken next time
    if wrong:
        raise _refuse(wrong)
    return found


def _refuse_occupied(tier: str, folders: list[Path]) -> None:
    for folder in folders:
        if folder.is_symlink() or folder.parent.is_symlink():
            raise StudyError(f"{folder} is a symbolic link: put a folder there and restore again")
        mine = (path for path in folder.glob("*") if path.name not in _OWN)
        if any(mine) and not restoring_mark(tier).exists():
            raise StudyError(f"{folder} holds something already: move it away and restore again")


def restore(tier: str) -> None:
    """Pull a published tier into a clone that has none.

    Raises StudyError, naming the files, if one is not what was published; nothing is left then.
    """
    expected, folders, mark = _read_manifest(tier), shared_folders(tier), restoring_mark(tier)
    had_results = folders[-1].exists()
    _refuse_occupied(tier, folders)
    lock = lock_folder(folders[-1])
    try:
        places = _fetch(tier, expected)
        mark.touch()  # a study begun from half of it would make the other half anew
        for folder in folders:  # what an interrupted restore has left
            for path in (path for path in folder.glob("*") if path.name not in _OWN):
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
        print(f"restored and verified: {', '.join(map(str, shared_folders(arguments['tier'])))}")


if __name__ == "__main__":
    run_program(main)
