"""Read and validate a configuration. An invalid configuration raises an error of one line."""

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
    """An invalid configuration. The message has the file, key, value and what is allowed."""


def _section_at(keys: list[str]) -> Any:
    """The class of the settings section that contains the value at the end of the given keys.

    Keys may also be indices of lists or keys of dictionaries.
    """
    section: Any = Settings
    for key in keys:
        known = _fields_of(section)
        if key in known:
            annotation = known[key]
            candidates = (annotation, *get_args(annotation))
            section = next(each for each in candidates if _fields_of(each))
    return section


def _fields_of(section: Any) -> dict[str, Any]:
    """The type of each field of a section class, or an empty mapping for any other value."""
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {name: field.annotation for name, field in section.model_fields.items()}
    if is_dataclass(section):
        return {field.name: field.type for field in fields(section)}
    return {}


def _first(error: ValidationError | SettingError) -> SettingError:
    """The first error of a validation, with its full dotted key."""
    if isinstance(error, SettingError):
        return error
    errors = error.errors()
    unknown = ("extra_forbidden", "unexpected_keyword_argument")
    first = next((each for each in errors if each["type"] in unknown), errors[0])
    # pydantic's location also has names of types, such as list[int], which are no keys.
    keys = [str(key) for key in first["loc"] if "[" not in str(key)]
    if first["type"] in unknown:
        known = list(_fields_of(_section_at(keys[:-1])))
        alike = get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean {alike[0]}? " if alike else ""
        allowed = f"no such key; {hint}known here: {', '.join(known)}"
        return SettingError(".".join(keys), first["input"], allowed)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, SettingError):
        return SettingError(".".join([*keys, cause.key]), cause.value, cause.allowed)
    if first["type"] == "missing":
        return SettingError(".".join(keys), "(missing)", "a value is required")
    message = first["msg"].removeprefix("Value error, ")
    return SettingError(".".join(keys), first["input"], message[0].lower() + message[1:])


def _value_at(section: Any, key: str) -> Any:
    """The value at a dotted key, or _NOT_SET. Keys of overrides and axes may contain dots."""
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
    """The source of a key's value: the last file that sets the key, or "command line"."""
    for file in reversed(files):
        value = _value_at(read_yaml(file), key)
        if value is not _NOT_SET:
            # A section is merged from several files, so its value differs from each file's.
            is_section = isinstance(value, dict)
            overruled = not is_section and repr(value) != repr(_value_at(config, key))
            return "command line" if overruled else str(file)
    return "command line" if _value_at(config, key) is not _NOT_SET else str(files[-1])


def _of_change(error: SettingError, changes: dict[str, Change]) -> SettingError:
    """The error for an invalid change of a setting, with the experiment's key of the change."""
    for changed, change in changes.items():
        if f"{error.key}.".startswith(f"{changed}."):
            key = change.key + error.key.removeprefix(changed)
            return SettingError(key, error.value, error.allowed)
    last = list(changes.values())[-1]
    cause = f"impossible with {error.key} = {error.value}, which must be {error.allowed}"
    return SettingError(last.key, last.value, cause)


def refusal(error: SettingError, config: dict, files: list[Path]) -> ConfigurationError:
    """The error for an invalid value: one line with the file, key, value and what is allowed."""
    line = f"{_file_of(error.key, config, files)}: {error.key}: {error.value}: {error.allowed}"
    return ConfigurationError(" ".join(line.splitlines()))


def validate(config: dict, files: list[Path]) -> Settings:
    """Validate a merged configuration, and the changed settings of each experiment's runs.

    files are the files that were merged; later files win. Raises ConfigurationError for an invalid
    value.
    """
    try:
        settings = Settings.model_validate(config)
    except (ValidationError, SettingError) as error:
        raise refusal(_first(error), config, files) from None
    for changes in _variants(settings):
        try:
            override(settings, {key: change.value for key, change in changes.items()})
        except (ValidationError, SettingError) as error:
            raise refusal(_of_change(_first(error), changes), config, files) from None
    return settings


def _variants(settings: Settings) -> Iterator[dict[str, Change]]:
    """For each combination of changed settings among the runs: the changes, with full keys."""
    for experiment in settings.experiments.all():
        for changes in experiment.variants():
            yield {
                key: Change(change.value, f"experiments.{experiment.name}.{change.key}")
                for key, change in changes.items()
            }


def refuse_unnamed(config: dict, files: list[Path]) -> None:
    """Raise ConfigurationError if there are files besides the defaults, but none sets a tier.

    Such a study would write into the results of the default tier. A tier is a named configuration
    with its own folders data/<tier> and results/<tier>.
    """
    default, *others = files
    named = any("tier" in read_yaml(file) for file in others)
    if others and not named and config.get("tier") == read_yaml(default).get("tier"):
        allowed = "a name of its own, for results/<tier>"
        raise ConfigurationError(f"{others[-1]}: tier: (missing): {allowed}")


def read_yaml(path: Path) -> dict:
    """The content of a configuration file.

    Raises ConfigurationError if the file cannot be read, is not YAML, or is not a mapping.
    """
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
    """The values of --config, a list of KEY=VALUE. Raises ConfigurationError for any other form."""
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
    """Merge files and the values of --config as Snakemake does: later files win, then --config."""
    config: dict = {}
    for file in files:
        update_config(config, read_yaml(file))
    update_config(config, read_changes(changes))
    return config


def read_configuration(files: list[Path], changes: list[str]) -> Settings:
    """The settings for the values of --configfile and --config.

    Raises ConfigurationError if a file cannot be read or a value is invalid.
    """
    everything = [Path("config/default.yaml"), *files]
    config = merge(everything, changes)
    refuse_unnamed(config, everything)
    return validate(config, everything)


def read_tier(tier: str, folder: Path = Path("config")) -> Settings:
    """The settings of config/<tier>.yaml.

    Raises ConfigurationError if the file cannot be read, a value is invalid, or the file names
    another tier.
    """
    files = [folder / "default.yaml", folder / f"{tier}.yaml"]
    settings = validate(merge(files, []), files)
    if settings.tier != tier:
        raise ConfigurationError(f"{files[1]}: tier: {settings.tier}: {tier}, the name of the file")
    return settings
