"""The pages of a table for people, in Markdown and in LaTeX.

Keys have readable names. The value, its interval, the paper's value and the difference from it
have columns of their own. The CSV file of a table has the machine's names and all digits.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.report.inputs import Inputs
from workflow_scripts.report.tables import CROSS_ENTROPY, Table, format_interval

# The names of keys in headings, where they are not their own.
_HEADINGS = {
    "sft": "SFT on",
    "evaluation_percent": "share of evaluation (%)",
    "backward_percent": "share of backward (%)",
}


@dataclass(frozen=True)
class _Group:
    """Columns that belong to one value of the key spread; title is empty if there is no spread."""

    title: str
    columns: list[str]


@dataclass(frozen=True)
class _Layout:
    """A table as texts: the headings of the keys, the groups of columns, and the lines of cells.

    A cell of a key is empty where it, and all keys to its left, are those of the line above.
    """

    keys: list[str]
    groups: list[_Group]
    lines: list[list[str]]


def _lay_out(table: Table, interval: str) -> _Layout:
    """Lay out a table with a group of columns for each value of spread, if it has a spread.

    interval is the heading of intervals.
    """
    frame, spreads = table.frame, [""]
    parts = [frame]
    if table.spread:
        spreads = list(table.shown) or frame[table.spread].unique().tolist()
        parts = [frame[frame[table.spread] == each] for each in spreads]
    with_paper = [bool(part["paper"].notna().any()) for part in parts]
    groups = [
        _Group(_name(table, spread), ["ours", interval, *(["paper", "difference"] * known)])
        for spread, known in zip(spreads, with_paper, strict=True)
    ]
    lines: dict[tuple, list[list[str]]] = {
        keys: [[""] * len(group.columns) for group in groups]
        for keys in frame[table.rows].drop_duplicates().itertuples(index=False, name=None)
    }
    for index, (part, known) in enumerate(zip(parts, with_paper, strict=True)):
        places = part[table.rows].itertuples(index=False, name=None)
        for keys, (_, row) in zip(places, part.iterrows(), strict=True):
            lines[keys][index] = _cells(row, table.value, known)
    named = [[_name(table, key) for key in keys] for keys in lines]
    return _Layout(
        [table.names.get(key) or _HEADINGS.get(key, key) for key in table.rows],
        groups,
        [
            [*keys, *(cell for group in cells for cell in group)]
            for keys, cells in zip(_without_repeats(named), lines.values(), strict=True)
        ],
    )


def _stack(table: Table) -> Table:
    """The same table with one line per estimate, in the order of the values of spread."""
    order = {each: index for index, each in enumerate(table.frame[table.spread].unique())}
    frame = table.frame.sort_values(
        table.spread, key=lambda column: column.map(order), kind="stable"
    )
    return replace(table, frame=frame, rows=[table.spread, *table.rows], spread="", shown=())


def _name(table: Table, key: object) -> str:
    return table.names.get(str(key), str(key))


def _cells(row: pd.Series, value: str, with_paper: bool) -> list[str]:
    """The value, the interval, and if asked for the paper's value and the difference from it."""
    decimals = 4 if CROSS_ENTROPY in row.to_numpy() else 3
    ours, known = row[value], row["paper"]
    measured = "not measured" if np.isnan(ours) else f"{ours:.{decimals}f}"
    cells = [measured, format_interval(row["ci_low"], row["ci_high"], decimals)]
    if not with_paper:
        return cells
    if np.isnan(known):
        return [*cells, "", ""]
    difference = "" if np.isnan(ours) else f"{ours - known:+.{decimals}f}"
    return [*cells, f"{known:.{decimals}f}", difference]


def _without_repeats(lines: list[list[str]]) -> Iterator[list[str]]:
    above: list[str] = []
    for line in lines:
        equal = 0
        while equal < len(above) - 1 and line[equal] == above[equal]:
            equal += 1
        yield [""] * equal + line[equal:]
        above = line


# ---- pages -------------------------------------------------------------------------------------


def to_markdown(table: Table, title: str, inputs: Inputs[Any], reading: str = "") -> str:
    """The Markdown page of a table: its title, notes and cells, and below them how to read it."""
    layout = _lay_out(_stack(table) if table.stacked else table, _interval_heading(inputs))
    headings = [*layout.keys]
    for group in layout.groups:
        headings += [group.title or group.columns[0], *group.columns[1:]]
    cells = pd.DataFrame(layout.lines, columns=headings)
    body = cells.to_markdown(index=False, disable_numparse=True)
    below = [reading, ""] if reading else []
    return "\n".join([f"# {title}", "", *_notes(table, inputs), "", body, "", *below])


def _interval_heading(inputs: Inputs[Any]) -> str:
    return f"{100 * inputs.confidence:g} % interval"


def _notes(table: Table, inputs: Inputs[Any]) -> list[str]:
    frame = table.frame
    problems = frame.loc[frame["n_problems"] > 0, "n_problems"]
    counts = f"{_span(problems)} problems, {_span(frame['n_seeds'])} seeds"
    notes = [f"{inputs.note}; {inputs.interval_note}; n of each estimate: {counts}.", *table.notes]
    if (frame["n_seeds"] == 1).any():
        notes.append("Intervals of one seed are over problems alone: other seeds may differ more.")
    if frame["paper"].notna().any():
        notes.append(
            "The paper's values and how certain each is: workflow_scripts/report/paper.py. "
            "The difference is ours less the paper's."
        )
    return notes


def _span(numbers: pd.Series) -> str:
    low, high = numbers.min(), numbers.max()
    return str(low) if low == high else f"{low}-{high}"


_WIDEST = 12  # columns of estimates that fit across a page in LaTeX
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "“": "``",
    "”": "''",
    "–": "--",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


_MINUS = re.compile(r"(?<!\w)-(?=\d)")


def escape_latex(text: str) -> str:
    """A text in which LaTeX reads every character as itself, and a minus sign as such."""
    escaped = "".join(_LATEX.get(character, character) for character in text)
    return _MINUS.sub("$-$", escaped)


def to_latex(table: Table, name: str, title: str, inputs: Inputs[Any]) -> str:
    """The table as a LaTeX float of the width of a page, with booktabs.

    Its caption has the title and the notes, its label is ``tab:`` and the name. It is stacked only
    if it would be too wide.
    """
    layout = _lay_out(table, _interval_heading(inputs))
    if table.stacked and sum(len(group.columns) for group in layout.groups) > _WIDEST:
        layout = _lay_out(_stack(table), _interval_heading(inputs))
    columns = "l" * len(layout.keys)
    above, rules, place = [""] * len(layout.keys), [], len(layout.keys) + 1
    for group in layout.groups:
        n = len(group.columns)
        columns += "rlrr"[:n]
        above.append(rf"\multicolumn{{{n}}}{{c}}{{{escape_latex(group.title)}}}")
        rules.append(rf"\cmidrule(lr){{{place}-{place + n - 1}}}")
        place += n
    headings = [*layout.keys, *(each for group in layout.groups for each in group.columns)]
    body: list[str] = []
    for line in layout.lines:
        if body and line[0]:
            body.append(r"\addlinespace")
        body.append(_latex_line(map(escape_latex, line)))
    caption = escape_latex(" ".join(_sentence(text) for text in (title, *_notes(table, inputs))))
    return "\n".join(
        [
            r"% In the preamble: \usepackage{booktabs,adjustbox}",
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{name}}}",
            r"\begin{adjustbox}{max width=\textwidth}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            *([_latex_line(above), " ".join(rules)] if len(rules) > 1 else []),
            _latex_line(map(escape_latex, headings)),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{adjustbox}",
            r"\end{table*}",
            "",
        ]
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _latex_line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
