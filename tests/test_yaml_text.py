from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import yaml

from flowzoo.yaml_text import parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        ("-2E+2", -200.0),
        ("+1.5e2", 150.0),
        ("1.5", 1.5),
        ("7", 7),
        ("1_000", 1000),
        ("1_000.5e1", 10005.0),
        (".inf", float("inf")),
        ("inf", float("inf")),
        ("true", True),
        ("'1e-3'", "1e-3"),
        ('"1e3"', "1e3"),
        ("'007'", "007"),
        ('"1.5"', "1.5"),
        ("'yes'", "yes"),
        ("'null'", "null"),
        ("'inf'", "inf"),
        ("''", ""),
        ("!!str 1e-3", "1e-3"),
        ("|\n  1e-3", "1e-3"),
        (">-\n  7", "7"),
        ("glow", "glow"),
        ("1e-3x", "1e-3x"),
        ("e3", "e3"),
    ],
)
def test_plain_numbers_are_numbers_and_quoted_ones_are_text(text: str, value: Any) -> None:
    found = parse_yaml(text)
    assert found == value
    assert type(found) is type(value)
    assert parse_yaml(f"a: [{text}]")["a"][0] == value if "\n" not in text else True
    assert parse_yaml("[&x '1e-3', *x]") == ["1e-3", "1e-3"]


LAUGHS = "a: &a [1, 1]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in pairwise("abcdefghi")
)
"""A short text that holds millions of values."""


@pytest.mark.parametrize("text", ["&a {x: *a}", "&a [*a]", "{a: &b {c: [*b]}}", "[" * 2000, LAUGHS])
def test_what_holds_itself_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)
    assert parse_yaml("{a: &b {c: 1}, d: *b, e: [*b, *b]}")["e"] == [{"c": 1}, {"c": 1}]
