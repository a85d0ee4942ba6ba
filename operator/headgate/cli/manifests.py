"""Manifests that people write: YAML as kubectl takes it, which is YAML that JSON can say."""

from __future__ import annotations

from typing import Any

import yaml

from headgate.api.meta import path
from headgate.cli.errors import Problem


class _Loader(yaml.SafeLoader):
    """Takes what looks like a time for the text that it is."""


def _as_it_stands(_: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_it_stands)


def read_manifest(text: str) -> Any:
    """Return what a manifest says; raises `Problem` for what is no YAML, or cannot be said in JSON."""
    try:
        return _plain(yaml.load(text, _Loader), ())
    except yaml.YAMLError as error:
        raise Problem(f"this is not YAML: {error}") from error
    except (ValueError, RecursionError) as error:
        raise Problem(f"this makes no sense as YAML: {error}") from error


def _plain(value: Any, where: tuple[int | str, ...]) -> Any:
    """Return a value with keys that are text, as JSON has them."""
    match value:
        case dict():
            return {(key := _key(one, where)): _plain(each, (*where, key)) for one, each in value.items()}
        case list():
            return [_plain(each, (*where, index)) for index, each in enumerate(value)]
        case None | bool() | int() | str():
            return value
        case float() if value == value and abs(value) != float("inf"):
            return value
    raise Problem(f"{path(where) or 'the manifest'}: must be something that JSON can say, not {value!r}")


def _key(key: Any, where: tuple[int | str, ...]) -> str:
    match key:
        case str():
            return key
        case bool() | int() | float():
            return str(key).lower()
    raise Problem(f"{path(where) or 'the manifest'}: the keys must be text, not {key!r}")
