"""Records of some fields alone: `--fields`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from crawler.model.document import PARSED
from crawler.model.errors import ConfigurationError
from crawler.model.option import closest
from crawler.model.outcome import Final, Skipped
from crawler.model.output import dumps
from crawler.store.record_schema import schema


class Chosen:
    """Encodes records with the fields in `names` alone, in that order.

    A field keeps its place: `timings.total` is `total` inside of `timings`. What a parser of one's
    own returned is below `parsed`, columns of the list are below `source.columns`. A field that not
    every record has is left out where there is none.

    Raises `ConfigurationError` for a name that is no field of the schema.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._paths = [name.split(".") for name in names]
        for name, path in zip(names, self._paths, strict=True):
            if problem := _problem(path, schema()["properties"]):
                raise ConfigurationError(f"--fields {name}: {problem}")

    def __call__(self, final: Final) -> bytes:
        """The record as one line of JSON."""
        fields, document = final.halves()
        tops = {path[0] for path in self._paths}
        if not tops <= fields.keys():
            fields |= dict.fromkeys(PARSED) | orjson.loads(document)
        if "source" in tops & fields.keys():
            fields["source"] = orjson.loads(_source(final))
        picked: dict[str, Any] = {}
        for path in self._paths:
            _pick(fields, path, picked)
        return dumps(picked) + b"\n"


def _source(final: Final) -> bytes:
    return final.source if isinstance(final, Skipped) else final.request.source


def _pick(value: dict[str, Any], path: Sequence[str], into: dict[str, Any]) -> None:
    """Put what `path` leads to into the same place of `into`; nothing where it leads nowhere."""
    name, *rest = path
    if name not in value:
        return
    if rest and isinstance(value[name], dict):
        _pick(value[name], rest, into.setdefault(name, {}))
    else:
        into[name] = value[name]


def _problem(path: Sequence[str], fields: dict[str, Any]) -> str:
    """Why the schema's `fields` have nothing at `path`; "" if they have, or leave it open."""
    name, *rest = path
    if name not in fields:
        return f"no field {name!r}{closest(name, fields) or '; --schema lists them'}"
    if not rest:
        return ""
    inside = fields[name]
    if "properties" in inside:
        return _problem(rest, inside["properties"])
    return "" if "object" in inside.get("type", "object") else f"nothing is inside of {name!r}"
