"""Records with selected fields: `--fields`."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import orjson

from crawler.model.document import PARSED
from crawler.model.errors import ConfigurationError
from crawler.model.option import closest
from crawler.model.outcome import Final, Skipped
from crawler.model.output import dumps
from crawler.store.record import SENT, schema

_MAYBE = frozenset({*SENT, "source"})
"""Optional fields that describe the request: they are not in the document."""


class Chosen:
    """Encodes records with the fields in `names`, in that order.

    A field keeps its place: `timings.total` is `total` inside `timings`. The results of a user's
    parser are below `parsed`, columns of the list below `source.columns`. An optional field is left
    out of records that do not have it. What tells requests for one URL apart is never left out.

    Raises `ConfigurationError` for a name that is not a field of the schema.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._paths = [name.split(".") for name in names]
        for name, path in zip(names, self._paths, strict=True):
            if problem := _problem(path, schema()["properties"]):
                raise ConfigurationError(f"--fields {name}: {problem}")

    def __call__(self, final: Final) -> bytes:
        """Return the record as one line of JSON."""
        fields = whole(final, {path[0] for path in self._paths})
        picked: dict[str, Any] = {}
        for path in self._paths:
            _pick(fields, path, picked)
        for name in SENT:
            if name in fields:
                picked.setdefault(name, fields[name])
        return dumps(picked) + b"\n"


def whole(final: Final, names: AbstractSet[str] = frozenset()) -> dict[str, Any]:
    """Return a record with the fields in `names` at least, or all."""
    fields, document = final.halves()
    if not names or not names - _MAYBE <= fields.keys():
        fields |= dict.fromkeys(PARSED) | orjson.loads(document)
    if "source" in fields and (not names or "source" in names):
        fields["source"] = orjson.loads(_source(final))
    return fields


def _source(final: Final) -> bytes:
    return final.source if isinstance(final, Skipped) else final.request.source


def _pick(value: dict[str, Any], path: Sequence[str], into: dict[str, Any]) -> None:
    """Copy the value at `path` to the same place of `into`, if there is one."""
    name, *rest = path
    if name not in value:
        return
    if rest and isinstance(value[name], dict):
        _pick(value[name], rest, into.setdefault(name, {}))
    else:
        into[name] = value[name]


def _problem(path: Sequence[str], fields: dict[str, Any]) -> str:
    """Return why the schema's `fields` have nothing at `path`; "" if they do, or leave it open."""
    name, *rest = path
    if name not in fields:
        return f"no field {name!r}{closest(name, fields) or '; --schema lists them'}"
    if not rest:
        return ""
    inside = fields[name]
    if "properties" in inside:
        return _problem(rest, inside["properties"])
    return "" if "object" in inside.get("type", "object") else f"nothing is inside of {name!r}"
