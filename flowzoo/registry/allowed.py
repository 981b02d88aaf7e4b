"""Says in words which values a JSON schema allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def allowed(schema: Schema) -> str:
    """Return the values that a schema allows, in a few words.

    >>> allowed({"type": "integer", "minimum": 1})
    'int >= 1'
    >>> allowed({"enum": ["mean", "max"]})
    "'mean' | 'max'"
    """
    if "$ref" in schema:
        return "mapping"
    if "anyOf" in schema:
        return " | ".join(allowed(each) for each in schema["anyOf"])
    found = choices(schema)
    if found:
        return " | ".join(repr(each) for each in found)
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return _array(schema) + _range(schema, "minItems", "maxItems", "length ")
    if kind == "object":
        return "mapping"
    return _WORDS.get(kind, kind) + _range(schema, "minimum", "maximum") + _step(schema)


def choices(schema: Schema) -> list[Any]:
    """Return the values that a schema lists one by one; empty if it does not."""
    if "const" in schema:
        return [schema["const"]]
    listed = [each for option in schema.get("anyOf", ()) for each in choices(option)]
    return listed or list(schema.get("enum", ()))


_WORDS = {"integer": "int", "number": "float", "boolean": "True | False", "null": "None", "string": "text"}


def _array(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(allowed(each) for each in schema['prefixItems'])}]"
    return f"list of {allowed(schema.get('items', {}))}"


def _range(schema: Schema, low: str, high: str, of: str = "") -> str:
    if "prefixItems" in schema:
        return ""
    parts = [
        f"{sign} {schema[key]:g}"
        for sign, key in ((">=", low), (">", "exclusiveMinimum"), ("<=", high), ("<", "exclusiveMaximum"))
        if key in schema
    ]
    return f" {of}{' and '.join(parts)}" if parts else ""


def _step(schema: Schema) -> str:
    return f", a multiple of {schema['multipleOf']:g}" if "multipleOf" in schema else ""
