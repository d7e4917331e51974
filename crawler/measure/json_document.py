"""JSON documents of measurements: values of declared types, and the schemas that describe them.

Each field of a document is spelled once, where its class declares it with `told`. A class with its
own JSON form (a histogram: its buckets) has `json`, `of`, and a `FORM` that describes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, Self, TypeVar, get_type_hints

import msgspec

from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.option import Option, Options

_Kind = TypeVar("_Kind")
Way = Callable[[Any, Any], Any]
"""Makes one value of the two that a field has in two records."""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
TIME = {"format": "date-time"}
"""What further the schema says of a point in time."""
_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the records of a document: immutable, and without fields that are not declared."""

    @classmethod
    def taken(cls, source: object, **others: Any) -> Self:
        """Return a record with the attributes of a source by the same names, and `others`."""
        names = (name for name in cls.__struct_fields__ if name not in others)
        return cls(**{name: getattr(source, name) for name in names}, **others)

    def merge(self, other: Self) -> Self:
        """Return both as one, field by field: the total, or as its `told` says."""
        ways = _ways(type(self)).items()
        return type(self)(**{n: way(getattr(self, n), getattr(other, n)) for n, way in ways})


def told(description: str, *, merged: Way | None = None, **bounds: Any) -> msgspec.Meta:
    """Describe a field in `Annotated`; `bounds` are those of `msgspec.Meta`.

    merged: the value of the field in two records as one; by default their total.
    """
    extra = {"merged": merged} if merged else None
    return msgspec.Meta(description=description, extra=extra, **bounds)


def total(one: Any, other: Any) -> Any:
    """Return two values as one: numbers add up, of two texts the first stays, records merge.

    Mappings do that key by key, and tuples place by place; what one of them lacks is the other's.
    """
    if isinstance(one, Mapping):
        keys = sorted({*one, *other})
        return {
            k: total(one[k], other[k]) if k in one and k in other else {**other, **one}[k]
            for k in keys
        }
    if isinstance(one, tuple):
        pairs = zip_longest(one, other)
        return tuple(total(a, b) if a and b else a or b for a, b in pairs)
    if isinstance(one, str):
        return one or other
    return one.merge(other) if isinstance(one, Record) else one + other


def highest(one: float | None, other: float | None) -> float | None:
    """Return the higher of two readings; one that is None is unknown."""
    return max((value for value in (one, other) if value is not None), default=None)


@cache
def _ways(kind: Any) -> Mapping[str, Way]:
    hints = get_type_hints(kind, include_extras=True)
    found = {}
    for field in msgspec.structs.fields(kind):
        metas = getattr(hints[field.name], "__metadata__", ())
        told = (meta.extra["merged"] for meta in metas if meta.extra)
        found[field.name] = next(told, total)
    return found


def plain(value: object) -> Any:
    """Return a value as JSON has it: null for infinity and nan, lists for tuples."""
    return msgspec.json.decode(text(value))


def text(value: object) -> bytes:
    """Return a value as JSON."""
    return msgspec.json.encode(value, enc_hook=lambda own: own.json)


def parsed(raw: bytes, kind: type[_Kind]) -> _Kind:
    """Return what `text` made JSON of; raises `msgspec.DecodeError` or `ValidationError`."""
    return msgspec.json.decode(raw, type=kind, dec_hook=_own)


def read(path: Path, kind: type[_Kind], called: str) -> _Kind:
    """Read a document; raises `EnvironmentFailure` that names the file and says what is wrong."""
    try:
        return parsed(path.read_bytes(), kind)
    except OSError as error:
        raise EnvironmentFailure(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.ValidationError, ConfigurationError) as error:
        raise EnvironmentFailure(f"{path}: not {called}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EnvironmentFailure(f"{path}: invalid JSON: {error}") from None


def schema(kind: type[msgspec.Struct], title: str, config: type[Options]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a document that has the options of a `config`."""
    found = msgspec.json.schema(kind, schema_hook=_form)
    options = {name: _option(spec) for name, spec in config.options().items()}
    found["$defs"][kind.__name__]["properties"]["config"] = {
        "description": "The options.",
        "$ref": f"#/$defs/{config.__name__}",
    }
    found["$defs"][config.__name__] = {
        "type": "object",
        "properties": options,
        "required": list(options),
        "additionalProperties": False,
    }
    for each in found["$defs"].values():
        each.setdefault("additionalProperties", False)
        for field in each.get("properties", {}).values():
            if field.pop("nullable", False):
                field["type"] = [field["type"], "null"]
    return {"$schema": _DIALECT, "title": title, **found}


def _option(spec: Option) -> dict[str, Any]:
    if spec.choices:
        return {"description": spec.help, "enum": list(spec.choices)}
    if spec.type == tuple[str, ...]:
        return {"description": spec.help, "type": "array", "items": {"type": "string"}}
    name = next(name for known, name in _NAMES.items() if issubclass(spec.type, known))
    return {"description": spec.help, "type": name}


def _own(kind: Any, json: Any) -> Any:
    try:
        return kind.of(json)
    except KeyError as error:
        raise ValueError(f"missing {error}") from None


def _form(kind: Any) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([kind.FORM])
    return dict(components[kind.FORM.__name__])
