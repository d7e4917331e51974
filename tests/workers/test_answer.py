"""What a worker sends is looked at before it is used."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.document import Document, Leads
from crawler.model.outcome import Kind, ParseFault
from crawler.workers.worker_answer import MAX_JSON, MalformedAnswer, results

GOOD = (b'{"title":"x"}', 0.5, None)
LEADS = (bytes(16), 1, 2, 2**64 - 1, "http://a.test/")


class Text(str):
    """Looks like a text, and is a class of somebody else's."""

    __slots__ = ()


def test_answers_as_they_are_sent() -> None:
    """Documents with and without leads, and failures of a page."""
    answers = [GOOD, (b"{}", 0.0, LEADS), ("parse", "ValueError: x", None)]
    assert results(answers, 3) == [
        Document(json=GOOD[0], seconds=0.5),
        Document(json=b"{}", leads=Leads(*LEADS)),
        ParseFault(kind=Kind.PARSE, reason="ValueError: x"),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        *(None, 3, "text", b"{}", [], (), GOOD[:2], (*GOOD, 1), list(GOOD)),
        *(("", 0.5, None), (bytearray(b"{}"), 0.5, None), (None, None, None)),
        # JSON that is not one object in one line
        *((b"", 0.5, None), (b"[]", 0.5, None), (b"{}\n", 0.5, None), (b'{"a":\n1}', 0.5, None)),
        pytest.param((b"{" + bytes(MAX_JSON) + b"}", 0.5, None), id="long"),
        # seconds
        *((b"{}", time, None) for time in (None, "0", 1, True, -1.0, float("nan"), float("inf"))),
        # failures that only others may tell of, or of nobody's
        *((kind, "why", None) for kind in ("dns", "parsed", "", Text("parse"))),
        *(("parse", why, None) for why in (None, b"why", "x" * 10_000, "\ud800", Text("why"))),
        ("parse", "why", LEADS),
        # leads
        *((b"{}", 0.5, leads) for leads in ((), LEADS[:4], list(LEADS), (*LEADS, 1), "leads")),
        *((b"{}", 0.5, (links, *LEADS[1:])) for links in (None, "", bytes(7))),
        pytest.param((b"{}", 0.5, (bytes(10**6), *LEADS[1:])), id="many links"),
        *((b"{}", 0.5, (b"", number, 2, 3, "")) for number in (-1, 2**64, 1.5, None, True)),
        *((b"{}", 0.5, (*LEADS[:4], url)) for url in (None, b"", "x" * 10_000, "\udfff")),
    ],
    ids=lambda answer: repr(answer)[:40],
)
def test_anything_else_is_malformed(answer: Any) -> None:
    """T6: another type, count, range or size, and subclasses, whose methods are somebody else's."""
    with pytest.raises(MalformedAnswer) as raised:
        results([GOOD, answer], 2)
    assert len(str(raised.value)) < 200 and "\n" not in str(raised.value)


@pytest.mark.parametrize("answers", [None, (GOOD, GOOD), [GOOD], [GOOD] * 3, "ab", {1: GOOD}])
def test_a_batch_has_an_answer_for_each_page(answers: Any) -> None:
    """T6: neither fewer nor more."""
    with pytest.raises(MalformedAnswer):
        results(answers, 2)


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner, inner) | st.tuples(inner, inner),
)


@pytest.mark.slow
@given(_ANYTHING)
def test_whatever_comes_is_a_result_or_malformed(answer: object) -> None:
    """No answer raises anything else, and what passes can be written as a record."""
    try:
        (result,) = results([answer], 1)
    except MalformedAnswer:
        return
    if isinstance(result, ParseFault):
        json.dumps(result.reason).encode()
