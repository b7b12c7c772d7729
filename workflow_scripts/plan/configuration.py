"""Reading a configuration: validated before any job starts, and refused in one line."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from snakemake.cli import parse_config
from snakemake.utils import update_config

from workflow_scripts.common.errors import SettingError, StudyError
from workflow_scripts.experiments.experiment import Change
from workflow_scripts.plan.settings import Settings
from workflow_scripts.settings.overrides import override

_NOT_SET = object()


class ConfigurationError(StudyError):
    """One line: file, key, value and what is allowed."""


def _section_at(keys: list[str]) -> Any:
    """The section that holds these keys, those of lists and dictionaries among them."""
    section: Any = Settings
    for key in keys:
        fields = _fields_of(section)
        if key in fields:
            annotation = fields[key]
            candidates = (annotation, *get_args(annotation))
            section = next(each for each in candidates if _fields_of(each))
    return section


def _fields_of(section: Any) -> dict[str, Any]:
    """The keys of a section, with the type of each; none for what is no section."""
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {name: field.annotation for name, field in section.model_fields.items()}
    if is_dataclass(section):
        return {field.name: field.type for field in fields(section)}
    return {}


def _describe(error: ValidationError | SettingError) -> tuple[str, Any, str]:
    """Key, value and what is allowed, of the first error."""
    if isinstance(error, SettingError):
        return error.key, error.value, error.allowed
    errors = error.errors()
    unknown = ("extra_forbidden", "unexpected_keyword_argument")
    first = next((each for each in errors if each["type"] in unknown), errors[0])
    keys = [str(key) for key in first["loc"] if "[" not in str(key)]  # [: the name of a type
    if first["type"] in unknown:
        known = list(_fields_of(_section_at(keys[:-1])))
        alike = get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean {alike[0]}? " if alike else ""
        allowed = f"no such key; {hint}known here: {', '.join(known)}"
        return ".".join(keys), first["input"], allowed
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, SettingError):
        return ".".join([*keys, cause.key]), cause.value, cause.allowed
    if first["type"] == "missing":
        return ".".join(keys), "(missing)", "a value is required"
    message = first["msg"].removeprefix("Value error, ")
    return ".".join(keys), first["input"], message[0].lower() + message[1:]


def _value_at(section: Any, key: str) -> Any:
    """The value of a dotted key; names of its own may hold dots (overrides, axes)."""
    if isinstance(section, list):
        section = dict(enumerate(section))
    if isinstance(section, dict):
        for name, value in section.items():
            if key == str(name):
                return value
            if key.startswith(f"{name}."):
                return _value_at(value, key.removeprefix(f"{name}."))
    return _NOT_SET


def _file_of(key: str, config: dict, files: list[Path]) -> str:
    """The last file that sets a key, or the command line where that set it."""
    for file in reversed(files):
        value = _value_at(read_yaml(file), key)
        if value is not _NOT_SET:
            is_section = isinstance(value, dict)  # a merged one differs without being overruled
            overruled = not is_section and repr(value) != repr(_value_at(config, key))
            return "command line" if overruled else str(file)
    return "command line" if _value_at(config, key) is not _NOT_SET else str(files[-1])


def _describe_change(
    error: ValidationError | SettingError, changes: dict[str, Change]
) -> tuple[str, Any, str]:
    """As _describe, naming the key by which an experiment changes the setting."""
    key, value, allowed = _describe(error)
    for changed, change in changes.items():
        if f"{key}.".startswith(f"{changed}."):
            return change.key + key.removeprefix(changed), value, allowed
    last = list(changes.values())[-1]
    return last.key, last.value, f"impossible with {key} = {value}, which must be {allowed}"


def refuse(
    key: str, value: Any, allowed: str, config: dict, files: list[Path]
) -> ConfigurationError:
    """The error that names file, key, value and what is allowed, in one line."""
    line = f"{_file_of(key, config, files)}: {key}: {value}: {allowed}"
    return ConfigurationError(" ".join(line.splitlines()))


def validate(config: dict, files: list[Path]) -> Settings:
    """Validate a merged configuration; files are those it was read from, the strongest last.

    Raises ConfigurationError.
    """
    try:
        settings = Settings.model_validate(config)
    except (ValidationError, SettingError) as error:
        raise refuse(*_describe(error), config, files) from None
    for changes in _variants(settings):
        try:
            override(settings, {key: change.value for key, change in changes.items()})
        except (ValidationError, SettingError) as error:
            raise refuse(*_describe_change(error, changes), config, files) from None
    return settings


def _variants(settings: Settings) -> Iterator[dict[str, Change]]:
    """What the experiments change for their runs, with the full key that says so of each."""
    for experiment in settings.experiments.all():
        for changes in experiment.variants():
            yield {
                key: Change(change.value, f"experiments.{experiment.name}.{change.key}")
                for key, change in changes.items()
            }


def refuse_unnamed(config: dict, files: list[Path]) -> None:
    """Raise ConfigurationError if files beside the defaults name no tier.

    The results of another study would else be taken for those of the default tier.
    """
    default, *others = files
    named = any("tier" in read_yaml(file) for file in others)
    if others and not named and config.get("tier") == read_yaml(default).get("tier"):
        allowed = "a name of its own, for results/<tier>"
        raise ConfigurationError(f"{others[-1]}: tier: (missing): {allowed}")


def read_yaml(path: Path) -> dict:
    """The content of a configuration file. Raises ConfigurationError if it has none."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"{path}: {(error.strerror or 'not readable').lower()}: name a configuration file that "
            f"is there: {', '.join(sorted(map(str, Path('config').glob('*.yaml'))))}"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigurationError(f"{where}: not YAML: {problem}") from None
    if not isinstance(content or {}, dict):
        raise ConfigurationError(f"{path}: keys with values are expected, as in config/smoke.yaml")
    return content or {}


def read_changes(changes: list[str]) -> dict:
    """What --config says, KEY=VALUE each. Raises ConfigurationError."""
    for change in changes:
        key, equals, value = change.partition("=")
        if "." in key:
            *sections, last = key.split(".")
            inner = f"{{{last}: {value}}}"
            for section in reversed(sections[1:]):
                inner = f"{{{section}: {inner}}}"
            raise ConfigurationError(
                f"command line: {change}: write --config {sections[0]}='{inner}'"
            )
        if not equals or not key.isidentifier():
            raise ConfigurationError(f"command line: {change}: write --config KEY=VALUE")
    return parse_config(changes)


def merge(files: list[Path], changes: list[str]) -> dict:
    """The configuration that snakemake makes of files, the strongest last, and of --config."""
    config: dict = {}
    for file in files:
        update_config(config, read_yaml(file))
    update_config(config, read_changes(changes))
    return config


def read_configuration(files: list[Path], changes: list[str]) -> Settings:
    """The settings that --configfile and --config come to. Raises ConfigurationError."""
    everything = [Path("config/default.yaml"), *files]
    config = merge(everything, changes)
    refuse_unnamed(config, everything)
    return validate(config, everything)


def read_tier(tier: str, folder: Path = Path("config")) -> Settings:
    """The settings of a tier as `--configfile` has them. Raises ConfigurationError."""
    files = [folder / "default.yaml", folder / f"{tier}.yaml"]
    settings = validate(merge(files, []), files)
    if settings.tier != tier:
        raise ConfigurationError(f"{files[1]}: tier: {settings.tier}: {tier}, the name of the file")
    return settings
