"""Reads YAML as plain data: no objects, no repeated keys; ``1e-3`` is a number, quoted values are text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from flowzoo.errors import OptionError


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, as plain data.

    Raises:
        OptionError: It cannot be read, or is not YAML.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"cannot read {path}: {error.strerror}; give an existing YAML file") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{path} is not YAML: {error}") from error
    except yaml.YAMLError as error:
        raise OptionError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def parse_yaml(text: str) -> Any:
    """Return what YAML text holds, as plain data.

    >>> parse_yaml("{learning_rate: 1e-3, levels: 2}")
    {'learning_rate': 0.001, 'levels': 2}
    >>> parse_yaml("{label: '007', note: '1e-3', name: 'yes'}")
    {'label': '007', 'note': '1e-3', 'name': 'yes'}

    Raises:
        yaml.YAMLError: It is not YAML, is nested without end, or gives a key twice.
    """
    try:
        value = yaml.load(text, Loader=_Loader)
        _refuse_endless(value)
        return value
    except RecursionError as error:
        raise yaml.YAMLError(_ENDLESS) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Errors of PyYAML for values that do not fit their form or tag.
        raise yaml.YAMLError(f"a value cannot be read ({error})") from error


class _Loader(yaml.SafeLoader):
    """A safe loader that reads ``1e-3`` as a number, although YAML 1.1 requires a point.

    It refuses a repeated key; YAML would silently drop one.
    """

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]  # PyYAML's
        plain = kind is yaml.ScalarNode and implicit[0]
        return _FLOAT if plain and tag == _TEXT and _is_number(value) else tag

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is not a name", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key.value}' is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refuse_endless(value: Any) -> None:
    """Refuse what aliases make endless, or so long that nothing can be done with it."""
    waiting, count = [value], 0
    while waiting:
        part = waiting.pop()
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        count += len(inner)
        if count > _MOST:
            raise yaml.YAMLError(_ENDLESS)
        waiting.extend(inner)


_MOST = 100_000
_ENDLESS = f"it contains itself, or more than {_MOST:,} values; write it as a plain, short mapping"

_TEXT, _FLOAT = "tag:yaml.org,2002:str", "tag:yaml.org,2002:float"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
