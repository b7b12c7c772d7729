"""Reads the Markdown pages that figures and tables have, to show them on another page.

A figure's page is written by `style.caption_page`, a table's by `tables.to_markdown`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Caption:
    """The page of a figure: its caption, and below it how to read it and the footer's lines."""

    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Cells:
    """The page of a table: its title, the paragraphs above and below its cells, and the cells."""

    title: str
    above: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    below: tuple[str, ...]


def read_caption(text: str) -> Caption:
    """The content of a figure's page."""
    title, *paragraphs = _lines(text)
    return Caption(title.removeprefix("# "), tuple(paragraphs))


def read_cells(text: str) -> Cells:
    """The content of a table's page. Each of its notes has a line of its own."""
    title, *others = _lines(text)
    places = [index for index, line in enumerate(others) if line.startswith("|")]
    first, last = (places[0], places[-1] + 1) if places else (len(others), len(others))
    header, _, *rows = map(_cells, others[first:last]) if places else ((), ())
    return Cells(
        title.removeprefix("# "),
        tuple(others[:first]),
        header,
        tuple(rows),
        tuple(others[last:]),
    )


def _lines(text: str) -> list[str]:
    """The lines of a page that are not empty. A page without any has an empty title."""
    return [line for line in text.splitlines() if line.strip()] or [""]


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
