"""Share a finished tier through a DVC remote: models, rollouts, labels and all that rests on them.

    python -m workflow_scripts.sharing publish --tier laptop --remote s3://bucket/study
    python -m workflow_scripts.sharing restore --tier laptop

A folder or an S3 bucket can be the remote. Published are data/TIER and results/TIER with what
Snakemake recorded of them: the parameters and inputs that made each file. With these records a
clone knows, as the study's first folder does, which jobs a change concerns. Git keeps the hashes
of all files, and what comes back is compared with them.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from workflow_scripts.files import StudyError, read_json, run_stage, sha256, write_json
from workflow_scripts.lock import LOCK, lock_folder
from workflow_scripts.records import INCOMPLETE, RECORDS, find_records
from workflow_scripts.scratch import SCRATCH

_REMOTE = "study"


def _folders(tier: str) -> list[Path]:
    return [Path("data", tier), Path("results", tier)]


def _records_folder(tier: str) -> Path:
    return Path("results", tier, ".snakemake-records")


def manifest_path(tier: str) -> Path:
    return Path("results", f"{tier}.manifest.json")


def restoring_mark(tier: str) -> Path:
    """A file that is there while a tier is being restored, and after that was interrupted."""
    return Path("results", f"{tier}.restoring")


def _empty(folders: list[Path]) -> None:
    """Remove all that folders hold but the lock, which is this process's own."""
    for path in (path for folder in folders for path in folder.glob("*") if path.name != LOCK):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _dvc(*arguments: str) -> None:
    """Run DVC. Raises StudyError with what it says."""
    command = [sys.executable, "-m", "dvc", *arguments]
    run = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if run.returncode:
        told = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        raise StudyError(" ".join(told or run.stderr.splitlines()[-3:]))


def _records(folder: Path, tier: str) -> list[Path]:
    """Snakemake's records in a folder that are of files of a tier."""
    prefixes = tuple(f"{shared}/" for shared in _folders(tier))
    return [r for file, r in find_records(folder).items() if file.startswith(prefixes)]


def _files(tier: str) -> list[Path]:
    """What is shared of a tier."""
    return [
        path
        for folder in _folders(tier)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and SCRATCH not in path.parts
        and path.name != LOCK
        and path.suffix != ".tmp"  # half-written by a job that was killed
    ]


def publish(tier: str, remote: str) -> None:
    """Push a finished tier to a remote, and leave what is to be committed in the working tree."""
    records = _records_folder(tier)
    lock = lock_folder(Path("results", tier))
    if _records(INCOMPLETE, tier):
        raise StudyError(f"jobs of results/{tier} were interrupted: make study TIER={tier}")
    shutil.rmtree(records, ignore_errors=True)
    for record in _records(RECORDS, tier):
        target = records / record.relative_to(RECORDS)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(record, target)
    if not records.is_dir():
        raise StudyError(f"results/{tier} has no finished job: make study TIER={tier}")
    write_json(manifest_path(tier), {str(path): sha256(path) for path in _files(tier)})
    _dvc("remote", "add", "--force", "--default", _REMOTE, remote)
    _dvc("add", "--quiet", *map(str, _folders(tier)))
    _dvc("push", *(f"{folder}.dvc" for folder in _folders(tier)))
    lock.close()


def find_differences(tier: str) -> dict[str, str]:
    """What is wrong with the files of a tier: those that the manifest has otherwise, or not."""
    expected = read_json(manifest_path(tier))
    found = {str(path): sha256(path) for path in _files(tier)}
    wrong = {path: "is missing" for path in expected.keys() - found.keys()}
    wrong |= {path: "was not published" for path in found.keys() - expected.keys()}
    both = expected.keys() & found.keys()
    return wrong | {path: "differs from its hash" for path in both if found[path] != expected[path]}


def _cache() -> Path:
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(told.stdout.strip())


def _drop_altered_objects() -> None:
    """Remove from DVC's cache what is not what its name says: it would be taken next time."""
    for path in (_cache() / "files/md5").glob("??/*"):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "md5").hexdigest()
        if digest != path.parent.name + path.name.removesuffix(".dir"):
            path.unlink()


def restore(tier: str) -> None:
    """Pull a published tier into a clone that has none, and verify every file.

    Raises StudyError, naming the files, if one is not what was published; nothing is left then.
    """
    folders, mark = _folders(tier), restoring_mark(tier)
    lock = lock_folder(Path("results", tier))
    if mark.exists():
        _empty(folders)  # what an interrupted restore has left
    for folder in folders:
        if any(path.name != LOCK for path in folder.glob("*")):
            raise StudyError(f"{folder} holds something already: move it away and restore again")
    # Snakemake takes a file of which it has no record for up to date: refused until the end.
    mark.touch()
    try:
        _dvc("pull", *(f"{folder}.dvc" for folder in folders))
        if wrong := find_differences(tier):
            listed = "; ".join(f"{path} {fault}" for path, fault in sorted(wrong.items())[:5])
            raise StudyError(
                f"{len(wrong)} files from the remote are refused, so nothing was restored: {listed}"
            )
        shutil.copytree(_records_folder(tier), RECORDS, dirs_exist_ok=True)
    except BaseException:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        _drop_altered_objects()
        mark.unlink()
        raise
    mark.unlink()
    lock.close()


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
        print(f"restored and verified: {', '.join(map(str, _folders(arguments['tier'])))}")


if __name__ == "__main__":
    run_stage(main)
