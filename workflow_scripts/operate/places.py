"""Where the files of a tier lie, apart from those that its jobs declare."""

from pathlib import Path, PurePosixPath

SET_ASIDE = "set-aside"  # in results/<tier>: files that were in the place of a job that ran again


def tier_folders(tier: str) -> list[Path]:
    """The two folders that hold everything of a tier."""
    return [Path("data", tier), Path("results", tier)]


def is_in_tier(file: str, tier: str) -> bool:
    """Whether a relative path leads to a place in the folders of a tier."""
    path = PurePosixPath(file)
    return ".." not in path.parts and any(path.is_relative_to(each) for each in tier_folders(tier))


def restoring_mark(tier: str) -> Path:
    """A file that exists while a tier is being restored, and stays if that was interrupted."""
    return Path("results", f"{tier}.restoring")
