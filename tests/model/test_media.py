"""Content-Type as browsers read it, and patterns for types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model import media
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.media import MediaTypes


@pytest.mark.parametrize(
    ("header", "essence", "charset"),
    [
        ("text/html", "text/html", None),
        ("\t Text/HTML ; Charset=UTF-8 ", "text/html", "UTF-8"),
        ("text/html charset=utf-8", "", None),  # node-crawler#193: the semicolon got lost
        ("text/html; charset", "text/html", None),
        ("text/html;charset=", "text/html", None),
        ('text/html;charset=""', "text/html", ""),
        ("text/html;;charset=a;charset=b", "text/html", "a"),
        ("text/html;charset = a;charset=b", "text/html", "b"),
        ('text/html; note="a;charset=utf-8"; charset=iso-8859-2', "text/html", "iso-8859-2"),
        ('text/html; note="a\\";charset=x"; charset="k\\oi8-r" ignored', "text/html", "koi8-r"),
        ('text/html; charset="utf-8', "text/html", "utf-8"),  # the quote is never closed
        ("text/html; a b=c; charset=x", "text/html", "x"),
        ("text/html; charset='utf-8'", "text/html", "'utf-8'"),
        ("", "", None),
        ("html", "", None),
        ("text/", "", None),
        ("/html", "", None),
        ("te xt/html", "", None),
        ("text/html/x", "", None),
        ("none; charset=big5", "", "big5"),  # no type, but a hint
        ("text/html, text/plain", "text/plain", None),
        ("text/html;charset=x, text/html", "text/html", "x"),
        ("text/html;charset=x, text/plain", "text/plain", None),
        ("text/plain, nonsense", "text/plain", None),
        ("text/plain, */*", "text/plain", None),
        ('text/html;x=",text/plain"', "text/html", None),
    ],
)
def test_types(header: str, essence: str, charset: str | None) -> None:
    """Types, parameters and lists are read by the MIME Sniffing and Fetch standards.

    RFC 9110, 5.6.6: what is quoted is one value, whatever it holds.
    """
    found = media.read(header)
    assert (found.essence, found.parameters.get("charset")) == (essence, charset)


@pytest.mark.slow
@given(st.text(max_size=60) | st.text('ab/;="\\, *', max_size=60))
def test_any_header_is_read(header: str) -> None:
    """No header raises, and what is found is a type in lower case, or none."""
    found = media.read(header)
    assert found.essence == found.essence.lower()
    assert found.essence.count("/") == bool(found.essence)


@pytest.mark.slow
def test_a_hostile_header_costs_little() -> None:
    """Quotes, blanks and commas by the thousand are read in time that grows with their number."""
    for piece in ('"', '";', " ", ',"', "\\", '="\\', ";=", "a=b;"):
        media.read("text/html;" + piece * 20_000)


@pytest.mark.parametrize(
    ("text", "essence", "matches"),
    [
        ("", "anything/at-all", True),
        ("text/html", "text/html", True),
        ("text/html", "text/htmlx", False),
        (" Text/HTML , image/* ", "image/png", True),
        ("image/*", "imagex/png", False),
        ("*/*", "a/b", True),
        ("application/*+xml", "application/rss+xml", True),
        ("application/*+xml", "application/xml", False),
    ],
)
def test_patterns(text: str, essence: str, *, matches: bool) -> None:
    """A pattern names a type, or leaves out a part of it; none at all leave out nothing."""
    assert MediaTypes(text).match(essence) is matches


def test_accept_is_a_list() -> None:
    """Types come with commas, as options of their own, or both; what is no type is refused."""
    config = CrawlConfig(accept=("text/html, IMAGE/*", "text/html"))
    assert config.network.accept == ("text/html", "image/*")
    for wrong in ("html", "text/html; q=1", "*", "text/"):
        with pytest.raises(ConfigurationError, match="is not a media type; write 'text/html'"):
            CrawlConfig(accept=(wrong,))
