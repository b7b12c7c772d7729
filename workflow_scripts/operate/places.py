"""The paths of a tier's files that no job declares.

A tier is a named configuration with its own folders data/<tier> and results/<tier>.
"""

from pathlib import Path, PurePosixPath

# A folder in results/<tier>. Before a job runs again, old files at its output paths are moved here.
SET_ASIDE = "set-aside"
# The pages that `make report` writes into the folder of the results that it shows.
REPORT, ROLLOUTS = "report.html", "rollouts.html"


def tier_folders(tier: str) -> list[Path]:
    """The two folders that hold all files of a tier."""
    return [Path("data", tier), Path("results", tier)]


def is_in_tier(file: str, tier: str) -> bool:
    """Whether a relative path leads to a file inside the folders of a tier."""
    path = PurePosixPath(file)
    return ".." not in path.parts and any(path.is_relative_to(each) for each in tier_folders(tier))


def restoring_mark(tier: str) -> Path:
    """A file that exists while a tier is being restored. An interrupted restore leaves it there."""
    return Path("results", f"{tier}.restoring")
