"""Nothing that a server sends acts on a terminal or breaks a line, and no value is changed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.output import dumps, escaped, printable

ACTIVE = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff",
]
WIDE = st.text(st.characters(codec=None, exclude_categories=()) | st.sampled_from(ACTIVE))


@pytest.mark.parametrize("character", ACTIVE, ids=ascii)
def test_what_acts_is_escaped(character: str) -> None:
    """Controls, line ends and turns of direction are escapes in JSON and on a terminal."""
    json, line = dumps(f"é{character}"), printable(f"é{character}")
    assert character not in json.decode() and character not in line
    assert orjson.loads(json) == f"é{character}"


@pytest.mark.parametrize("text", ["a b", "é ü", "日本語", "שלום", "نص", "a\xa0b", "\u200d", "🙂"])
def test_what_people_write_stays(text: str) -> None:
    """Letters of any script are shown as they are."""
    assert dumps(text) == f'"{text}"'.encode()
    assert printable(text) == text


@pytest.mark.slow
@given(WIDE, WIDE)
def test_values_come_back(key: str, value: str) -> None:
    """Whoever reads the JSON gets the text that went in; of lone surrogates U+FFFD."""
    json = dumps({key: [value]})
    text = json.decode("utf-8")
    assert len(text.splitlines()) == 1 and not set(text) & set(ACTIVE)
    replaced = [
        t.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for t in (key, value)
    ]
    assert orjson.loads(json) == {replaced[0]: [replaced[1]]}


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_escaping_changes_no_value(value: Any) -> None:
    """JSON that was made elsewhere means the same when it was escaped, once or twice."""
    once = escaped(orjson.dumps(value))
    assert orjson.loads(once) == value
    assert escaped(once) == once


@pytest.mark.slow
@given(WIDE)
def test_a_printable_line_is_one_line(text: str) -> None:
    """Any text at all is one line of a terminal, and can be written to it."""
    line = printable(text)
    assert len(line.splitlines()) <= 1
    line.encode("utf-8")
