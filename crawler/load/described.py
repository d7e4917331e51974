"""Pieces of JSON Schemas: every field has its description, no record a field that is not told."""

from __future__ import annotations

from typing import Any

from crawler.model.option import Option

_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def configured(spec: Option) -> dict[str, Any]:
    """The value of an option, with its help."""
    if spec.choices:
        return {"description": spec.help, "enum": list(spec.choices)}
    if spec.type == tuple[str, ...]:
        return listing(spec.help, {"type": "string"})
    kind = next(name for known, name in _NAMES.items() if issubclass(spec.type, known))
    return {"description": spec.help, "type": kind}


def text(description: str) -> dict[str, Any]:
    """Any text."""
    return {"description": description, "type": "string"}


def integer(description: str, *, least: int = 0) -> dict[str, Any]:
    """A whole number from `least` on."""
    return {"description": description, "type": "integer", "minimum": least}


def number(description: str) -> dict[str, Any]:
    """Any number."""
    return {"description": description, "type": "number"}


def nullable(kind: str, description: str) -> dict[str, Any]:
    """A value of a JSON type, or null."""
    return {"description": description, "type": [kind, "null"]}


def boolean(description: str) -> dict[str, Any]:
    """True or false."""
    return {"description": description, "type": "boolean"}


def choice(description: str, values: tuple[str, ...]) -> dict[str, Any]:
    """One of these texts."""
    return {"description": description, "enum": list(values)}


def listing(description: str, items: dict[str, Any]) -> dict[str, Any]:
    """Any number of such items."""
    return {"description": description, "type": "array", "items": items}


def mapping(description: str, values: dict[str, Any]) -> dict[str, Any]:
    """Any names, with values of one kind."""
    return {"description": description, "type": "object", "additionalProperties": values}


def record(description: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Exactly these fields."""
    return {
        "description": description,
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def ref(kind: str, description: str) -> dict[str, Any]:
    """What is described under `$defs`."""
    return {"description": description, "$ref": f"#/$defs/{kind}"}
