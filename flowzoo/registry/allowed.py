"""Says in words which values a JSON schema allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def allowed(schema: Schema, definitions: Schema | None = None) -> str:
    """Return the values that a schema allows, in a few words.

    >>> allowed({"type": "integer", "minimum": 1})
    'int >= 1'
    >>> allowed({"enum": ["mean", "max"]})
    "'mean' | 'max'"
    >>> allowed({"type": "object", "properties": {"name": {"const": "whiten"}, "kernel": {}}})
    "{name: 'whiten', kernel}"

    Args:
        schema: The schema.
        definitions: The definitions that it refers to. None: its own.
    """
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if "$ref" in schema:
        return allowed(_defined(schema, definitions), definitions)
    if "anyOf" in schema:
        return " | ".join(allowed(each, definitions) for each in schema["anyOf"])
    found = choices(schema)
    if found:
        return " | ".join(repr(each) for each in found)
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return _array(schema, definitions) + _range(schema, "minItems", "maxItems", "length ")
    if kind == "object":
        return _mapping(schema)
    return _WORDS.get(kind, kind) + _range(schema, "minimum", "maximum") + _step(schema)


def choices(schema: Schema) -> list[Any]:
    """Return the values that a schema lists one by one; empty if it does not."""
    if "const" in schema:
        return [schema["const"]]
    listed = [each for option in schema.get("anyOf", ()) for each in choices(option)]
    return listed or list(schema.get("enum", ()))


def record(schema: Schema, name: str) -> Mapping[str, Schema]:
    """Return the schemas of the fields of the mapping that a schema allows and whose ``name`` is this one.

    Empty if it allows no such mapping.
    """
    definitions = schema.get("$defs", {})
    for each in (schema, *schema.get("anyOf", ())):
        fields = (_defined(each, definitions) if "$ref" in each else each).get("properties", {})
        if fields.get("name", {}).get("const") == name:
            return {field: of for field, of in fields.items() if field != "name"}
    return {}


_WORDS = {"integer": "int", "number": "float", "boolean": "True | False", "null": "None", "string": "text"}


def _defined(schema: Schema, definitions: Schema) -> Schema:
    found: Schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return found


def _mapping(schema: Schema) -> str:
    fields = [
        f"{name}: {each['const']!r}" if "const" in each else name
        for name, each in schema.get("properties", {}).items()
    ]
    return f"{{{', '.join(fields)}}}" if fields else "mapping"


def _array(schema: Schema, definitions: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(allowed(each, definitions) for each in schema['prefixItems'])}]"
    return f"list of {allowed(schema.get('items', {}), definitions)}"


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
