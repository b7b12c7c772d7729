"""The reference of all settings, docs/configuration.md, made from the descriptions in the code.

    python -m workflow_scripts.plan.configuration_page [--check]

Keys, types and texts come from the classes of settings (workflow_scripts/settings, task.task,
experiments). Values come from config/default.yaml. With --check, the page is compared and not
written.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import run_program, write_text
from workflow_scripts.plan.configuration import read_yaml
from workflow_scripts.plan.settings import Settings

PAGE, DEFAULT = Path("docs/configuration.md"), Path("config/default.yaml")
_HEAD = f"""\
# Configuration

<!-- Made by `make configuration-page` from the descriptions in the code. Do not edit. -->

All settings, with the values of the laptop tier from [{DEFAULT}](../{DEFAULT}).
A tier is a small override of that file (`config/<tier>.yaml`). `--config section='{{key: value}}'`
changes single values. Invalid values stop the run at once, in one line that names file, key, value
and what is allowed.
"""
_NONE = "not set"

Schema = dict[str, Any]


def render(default: dict[str, Any]) -> str:
    """The text of the page, with the values of a default configuration."""
    schema = Settings.model_json_schema()
    sections = list(_sections(schema, schema["$defs"], default, ""))
    return "\n".join([_HEAD, *sections])


def _sections(schema: Schema, known: Schema, values: Any, path: str) -> Iterator[str]:
    """Yield the Markdown of each section at and below a path: heading, text and table of keys."""
    below, rows = [], []
    for name, value in schema["properties"].items():
        key = f"{path}.{name}" if path else name
        present = values.get(name) if isinstance(values, dict) else None
        section = _section_of(value, known)
        if section is None:
            rows.append(_row(name, value, known, present))
        else:
            below.append((section, present, key))
    title = f"## `{path}`" if path else "## Top level"
    text = "" if not path else f"{_one_line(schema.get('description', ''))}\n"
    if rows:
        table = ["| key | value | allowed | what it is |", "|:--|:--|:--|:--|", *rows]
        yield "\n".join([title, "", *([text] if text else []), *table, ""])
    elif path:
        yield "\n".join([title, "", text])
    for section, present, key in below:
        yield from _sections(section, known, present, key)


def _section_of(value: Schema, known: Schema) -> Schema | None:
    """The schema of the section that a key holds, or None if the key holds a value.

    A range ({low, high}) counts as a value.
    """
    options = value.get("anyOf", [value])
    for option in options:
        reference = option.get("$ref", "").rpartition("/")[2]
        if reference and reference != "Range" and "properties" in known[reference]:
            section: Schema = known[reference]
            return section
    return None


def _row(name: str, value: Schema, known: Schema, present: Any) -> str:
    if present is None:
        present = value.get("default")
    shown = _NONE if present is None else json.dumps(present)
    cells = (f"`{name}`", f"`{shown}`", _allowed(value, known), value.get("description", ""))
    return "| " + " | ".join(_one_line(cell).replace("|", "\\|") for cell in cells) + " |"


def _allowed(value: Schema, known: Schema) -> str:
    """A description in words of the values that a key may have."""
    if "anyOf" in value:
        return " or ".join(_allowed(option, known) for option in value["anyOf"])
    if "enum" in value:
        return ", ".join(f"`{option}`" for option in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return "`{low, high}`" if name == "Range" else f"a section {name}"
    kind = value.get("type")
    if kind == "array":
        return f"list of: {_allowed(value.get('items', {}), known)}"
    if kind == "object":
        names = value.get("patternProperties") or {"": value.get("additionalProperties", {})}
        (inner,) = names.values()
        return f"by name: {_allowed(inner if isinstance(inner, dict) else {}, known)}"
    words = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "null": "nothing",
    }
    return f"{words.get(kind or '', 'any value')}{_bounds(value)}"


def _bounds(value: Schema) -> str:
    texts = {
        "minimum": "at least {}",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "below {}",
    }
    found = [text.format(f"{value[key]:.12g}") for key, text in texts.items() if key in value]
    return f", {', '.join(found)}" if found else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    """Write the page, or with --check compare the page on disk with the settings.

    Raises StudyError if --check finds a difference.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    page = render(read_yaml(DEFAULT))
    if not parser.parse_args().check:
        write_text(PAGE, page)
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
        raise StudyError(f"{PAGE} differs from the settings: make configuration-page")


if __name__ == "__main__":
    run_program(main)
