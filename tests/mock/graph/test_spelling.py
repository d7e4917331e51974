"""Every spelling of a link means the URL that it is made from."""

from __future__ import annotations

from urllib.parse import quote

import ada_url
import html5lib  # type: ignore[import-untyped]
import pytest
import turbohtml
from hypothesis import given
from hypothesis import strategies as st

from crawler.mock.graph.link_spelling import SPELLINGS, Link, relative, written

ORIGINS = st.sampled_from(
    [
        "http://127.0.0.1:8080", "http://127.0.0.1", "https://h7.mock.test", "http://localhost:81",
        "http://[::1]:8080", "https://[::1]", "http://h0.xn--bcher-kva.test:8080",
    ]
)  # fmt: skip
_WORD = st.text(alphabet="abcxyz-'~0159éß日", min_size=1, max_size=6).map(
    lambda word: quote(word, safe="'~")
)
PATHS = st.builds(
    lambda words, end: "/" + "/".join(words) + (end if words else ""),
    st.lists(_WORD, max_size=4),
    st.sampled_from(["", "/", ".html"]),
)
LINKS = st.builds(Link, ORIGINS, PATHS, ORIGINS, PATHS)


def _same_scheme(link: Link) -> Link:
    """A web has one scheme."""
    scheme = link.base.partition("://")[0]
    return link._replace(origin=f"{scheme}://{link.authority}")


@pytest.mark.slow
@given(LINKS.map(_same_scheme))
def test_every_spelling_joins_to_the_canonical_url(link: Link) -> None:
    """By the URL standard, from any base, with the fragment dropped."""
    base, whole = link.base + link.base_path, link.whole
    assert ada_url.normalize_url(whole) == whole
    for spelling in SPELLINGS:
        assert ada_url.join_url(base, spelling(link)).partition("#")[0] == whole


@pytest.mark.slow
@given(LINKS.map(_same_scheme), st.integers(0, 2**32 - 1))
def test_every_way_to_write_the_attribute_is_read(link: Link, drawn: int) -> None:
    """Two HTML parsers read the same attribute out of the tag, and it means the URL."""
    markup = f"<p><a {written(link, drawn)}>text</a>"
    one = turbohtml.parse(markup).select_one("a[href]")
    (two,) = html5lib.parse(markup, namespaceHTMLElements=False).iter("a")
    assert one is not None and one.attrs["href"] == two.get("href")
    assert one.text == two.text == "text"
    joined = ada_url.join_url(link.base + link.base_path, str(one.attrs["href"]))
    assert joined.partition("#")[0] == link.whole


@pytest.mark.slow
@given(ORIGINS, PATHS, PATHS)
def test_relative_spellings_are_relative(origin: str, here: str, there: str) -> None:
    """On its own host a relative link has neither host nor leading slash."""
    assert not relative(Link(origin, here, origin, there)).startswith(("/", "http"))
