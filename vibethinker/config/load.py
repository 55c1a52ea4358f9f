"""Profiles by name or file, with `--set` overrides; errors name the field, the value and the mend."""

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from vibethinker.config.profile import Profile
from vibethinker.errors import ConfigError


def profile_names() -> list[str]:
    """The shipped profiles."""
    folder = resources.files("vibethinker.config") / "profiles"
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


def load_profile(name: str, overrides: Sequence[str] = ()) -> Profile:
    """A shipped profile, or a .yaml file's; each override is `dotted.key=value` with the value in YAML.

    A profile may name another under `extends`, of which it is a copy but for its own keys; null takes a key out. Raises
    ConfigError.
    """
    values = _read(name)
    for override in overrides:
        _override(values, override)
    return validate_profile(values, name)


def validate_profile(values: dict[str, Any], name: str) -> Profile:
    """The profile of plain values. Raises ConfigError with every field that is wrong."""
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        lines = [_line(e) for e in error.errors()]
        raise ConfigError(f"profile {name!r} is not valid:\n  " + "\n  ".join(lines)) from None


def _line(error: Any) -> str:
    place = ".".join(str(p) for p in error["loc"])
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        text = "unknown key; check its spelling, or take it out"
    about_contents = isinstance(error["input"], dict) and error["type"] in ("missing", "value_error", "extra_forbidden")
    shown = "" if about_contents else f" (got {error['input']!r})"
    return f"{place}: {text}{shown}" if place else text


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key that stands twice in one mapping is an error: the last would win, without a word."""

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [key for key, count in keys.items() if count > 1]:
            raise yaml.MarkedYAMLError(problem=f"the keys {twice} stand twice", problem_mark=node.start_mark)
        return node


def _read(name: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    asker = f", which {seen[-1]!r} extends," if seen else ""
    path = _path(name, asker)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506  # a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"profile {name!r}{asker} can't be read{'' if str(path) == name else f' from {path}'}: {_what(error)}; "
            f"correct the file or its path, or name one of {', '.join(profile_names())}"
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"profile {name!r}: {path} must hold a mapping of settings, it holds {type(values).__name__}; give at least "
            "`extends: tiny` and a name"
        )
    parent = values.pop("extends", None)
    if parent is None:
        return values
    if not isinstance(parent, str):
        raise ConfigError(f"profile {name!r}: extends must name one profile or .yaml file, got {parent!r}")
    if parent in (*seen, name):
        raise ConfigError(f"profile {name!r}: extends goes round in a circle: {' -> '.join((*seen, name, parent))}")
    return _merged(_read(parent, (*seen, name)), values)


def _path(name: str, asker: str) -> Path:
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    if name not in profile_names():
        raise ConfigError(
            f"no profile named {name!r}{asker.rstrip(',')}; there are {', '.join(profile_names())}, or give a .yaml file"
            f"{_nearest(name)}"
        )
    return Path(str(resources.files("vibethinker.config") / "profiles" / f"{name}.yaml"))


def _nearest(name: str) -> str:
    """The name that may have been meant."""
    file = f"{name}.yaml"
    meant = [file] if Path(file).is_file() else get_close_matches(name.lower(), profile_names(), n=1)
    return f"; did you mean {meant[0]}?" if meant else ""


def _what(error: Exception) -> str:
    """An error of the file system or of YAML in one line."""
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{getattr(error, 'problem', None) or getattr(error, 'strerror', None) or error}"


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key, null takes a key out, anything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


def _override(values: dict[str, Any], override: str) -> None:
    """Sets one dotted key; a list is entered by index, or by an item's name."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override!r}: write it as dotted.key=value, e.g. --set mgpo.lambda_me=0")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"--set {override!r}: the value is not YAML: {_what(error)}; quote it") from error
    *parents, last = key.split(".")
    place: Any = values
    for part in parents:
        place = _enter(place, part, override)
    if isinstance(place, list):
        _enter(place, last, override)
        place[_index(place, last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ConfigError(f"--set {override!r}: {last!r} does not lead to a setting")


def _enter(place: Any, part: str, override: str) -> Any:
    if isinstance(place, dict):
        return place.setdefault(part, {})
    if isinstance(place, list) and _index(place, part) is not None:
        return place[_index(place, part)]
    raise ConfigError(f"--set {override!r}: {part!r} does not lead to a setting")


def _index(items: list[Any], part: str) -> Any:
    if part.isdigit() and int(part) < len(items):
        return int(part)
    return next((i for i, item in enumerate(items) if isinstance(item, dict) and item.get("name") == part), None)
