"""`--fields`: records of some fields alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from crawler.model.document import Document
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Final
from crawler.store.chosen import Chosen
from crawler.store.record import encode, schema
from tests.store.test_record import FAILED, FIELDS, PAGE, SKIPPED

SOURCE = b'{"file":"a.csv","line":3,"columns":{"id":"7","n":"\\u202e"}}'


def chosen(final: Final, *names: str) -> dict[str, Any]:
    """The record with these fields alone."""
    line = Chosen(names)(final)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    record: dict[str, Any] = orjson.loads(line)
    return record


@pytest.mark.parametrize("final", [PAGE, FAILED, SKIPPED])
def test_the_fields_that_were_asked_for_in_that_order(final: Final) -> None:
    """Each field has the value that it has in a whole record, and its place in the order."""
    whole = orjson.loads(encode(final))
    names = [name for name in reversed(schema()["properties"]) if name in whole]
    assert list(chosen(final, *names).items()) == [(name, whole[name]) for name in names]
    assert chosen(final, "url") == {"url": whole["url"]}


def test_dots_reach_inside() -> None:
    """A part of a field keeps its place, so that readers need not know of the choice."""
    record = chosen(PAGE, "timings.total", "title", "bytes.wire", "timings.parse", "timings.total")
    assert record == {
        "timings": {"total": 0.5, "parse": 0.000313},
        "title": FIELDS["title"],
        "bytes": {"wire": 10},
    }


def test_fields_of_ones_own_parser_are_below_parsed() -> None:
    """What a parser returned is reached, and is left out where there is none."""
    document = Document(json=orjson.dumps({**FIELDS, "parsed": {"price": {"eur": 5}}}), seconds=0.1)
    page = replace(PAGE, document=document)
    assert chosen(page, "parsed.price.eur", "parsed.no") == {"parsed": {"price": {"eur": 5}}}
    assert chosen(PAGE, "url", "parsed.price") == {"url": PAGE.url}


def test_columns_of_the_list_are_below_source() -> None:
    """The source goes as a whole or in parts, and stays harmless text."""
    page = replace(PAGE, request=replace(PAGE.request, source=SOURCE))
    assert chosen(page, "source.columns.id", "source.line") == {
        "source": {"columns": {"id": "7"}, "line": 3}
    }
    for final in (page, replace(SKIPPED, source=SOURCE)):
        assert chosen(final, "source") == {"source": orjson.loads(SOURCE)}
        assert orjson.loads(encode(final))["source"] == orjson.loads(SOURCE)
        assert b"\\u202e" in Chosen(["source"])(final) and b"\\u202e" in encode(final)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("titel", "no field 'titel'; did you mean title"),
        ("timings.totla", "no field 'totla'; did you mean total"),
        ("title.x", "nothing is inside of 'title'"),
        ("links.0", "nothing is inside of 'links'"),
        ("", "no field ''"),
    ],
)
def test_a_field_that_is_none_is_refused(name: str, problem: str) -> None:
    """A misspelt field is known at the start, not after the crawl."""
    with pytest.raises(ConfigurationError, match=problem):
        Chosen(["url", name])
