"""Sitemaps and feeds in all their forms, whole and broken, however their bytes come."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.formats import sitemap, xml
from crawler.formats.sitemap import locations
from crawler.formats.sitemap_text import PIECE
from crawler.model.url import MAX_LENGTH

XMLNS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
LOC = "<url><loc>http://a/</loc></url>"
Result = tuple[str, list[str], str]


def read(data: bytes | str, sizes: tuple[int, ...] = (1 << 20,), charset: str = "") -> Result:
    """Form, locations and problem of `data`, cut into chunks of `sizes` in turn."""
    data = data.encode() if isinstance(data, str) else data
    form, found, problem = "", [], ""
    for part in locations(chunked(data, sizes), charset):
        assert not problem
        form, problem = part.form, part.problem
        found += part.locations
    return form, found, problem


def chunked(data: bytes, sizes: tuple[int, ...]) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        for size in sizes:
            yield data[at : at + size]
            at += size


RSS = "<rss version='2.0'><channel><link>http://no/</link>{}</channel></rss>"
RDF = (
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="{}">'
    "<channel><link>http://no/</link><items><rdf:li resource='http://no/'/></items></channel>"
    "<item rdf:about='http://no/'><title>x</title><link>http://a/</link></item></rdf:RDF>"
)
FORMS = [
    (
        "sitemapindex",
        f"<sitemapindex {XMLNS}><sitemap><loc>http://a/</loc></sitemap></sitemapindex>",
    ),
    ("urlset", f'<?xml version="1.0"?>\n<urlset {XMLNS}>\n{LOC}\n</urlset>\n'),
    ("urlset", f"<urlset>{LOC}</urlset>"),
    ("urlset", f"\n \t<?xml version='1.0'?><!-- cached --><urlset>{LOC}</urlset>"),
    ("urlset", f"<!DOCTYPE urlset SYSTEM 'http://no/x.dtd'><urlset>{LOC}</urlset>"),
    ("urlset", "<s:urlset xmlns:s='x'><s:url><s:loc>http://a/</s:loc></s:url></s:urlset>"),
    ("urlset", "<urlset><url><loc>\n  http://a/\n</loc><loc/><loc> </loc></url></urlset>"),
    ("urlset", "<urlset><url><loc><![CDATA[http://]]>a<!-- x -->/</loc></url></urlset>"),
    (
        "urlset",  # none of these prefixes is declared, as happens
        (
            "<urlset><url><image:image><image:loc>http://no/</image:loc></image:image>"
            "<image:loc>http://no/</image:loc><x:loc>http://no/</x:loc><loc>http://a/</loc>"
            "<xhtml:link rel='alternate' hreflang='de' href='http://no/'/><news:news/></url>"
            "<loc>http://no/</loc><x><loc>http://no/</loc></x></urlset>"
        ),
    ),
    ("rss", RSS.format("<item><link>http://a/</link><guid>http://no/</guid></item>")),
    ("rss", RSS.format("<item><guid>http://no/</guid><link>http://a/</link></item>")),
    ("rss", RSS.format("<item><link/><guid> http://a/ </guid></item><item/>")),
    ("rss", RSS.format("<item><guid isPermaLink='true'>http://a/</guid></item>")),
    (
        "rss",
        RSS.format(
            "<item><guid isPermaLink='false'>http://no/</guid></item><item><guid>7</guid></item>"
            "<item><atom:link href='http://no/'/><media:content><link>http://no/</link>"
            "</media:content><link><![CDATA[ http://a/ ]]></link></item>"
        ),
    ),
    ("rdf", RDF.format("http://purl.org/rss/1.0/")),
    ("rdf", RDF.format("http://my.netscape.com/rdf/simple/0.9/")),
    (
        "atom",
        (
            "<feed xmlns='http://www.w3.org/2005/Atom'><link href='http://no/'/><entry><title/>"
            "<link rel='self' href='http://no/'/><link href='http://a/'/><link rel='alternate'/>"
            "<content type='xhtml'><div><link href='http://no/'/></div></content></entry></feed>"
        ),
    ),
    ("atom", "<a:feed><a:entry><a:link rel='alternate' href='http://a/'/></a:entry></a:feed>"),
    ("text", "http://a/"),
    ("text", "\r\n\r\n  http://a/ \r\n \r"),
]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(("form", "text"), FORMS)
def test_every_form_is_read(form: str, text: str, size: int) -> None:
    """Of each form exactly the location that is meant is found, with and without namespaces."""
    assert read(text, (size,)) == (form, ["http://a/"], "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_encodings(encoding: str) -> None:
    """A mark or the shape of the first bytes goes before the declaration, that before UTF-8."""
    text = f'<?xml version="1.0" encoding="latin1"?><urlset>{LOC.replace("a/", "a/ü")}</urlset>'
    assert read(text.encode(encoding)) == ("urlset", ["http://a/ü"], "")


def test_the_encoding_that_a_header_says() -> None:
    """It goes before the declaration, but one that is unknown, or UTF-16 of no such shape."""
    text = '<?xml version="1.0" encoding="utf-8"?><urlset><url><loc>http://a/é</loc></url></urlset>'
    japanese = text.replace("é", "日本")
    assert read(japanese.encode("cp932"), (1,), "Shift_JIS")[1] == ["http://a/日本"]
    assert read(text.encode("latin-1"), charset="latin1")[1] == ["http://a/é"]
    for label in ("utf-16", "no-such", "punycode", ""):
        assert read(text, charset=label) == ("urlset", ["http://a/é"], "")
    assert read("\ufeffhttp://a/é\r\nhttp://b/", charset="latin1")[1] == ["http://a/é", "http://b/"]


def test_bytes_of_another_encoding_cost_their_location_alone() -> None:
    """What is malformed becomes U+FFFD, and what follows is read."""
    data = b"<urlset><url><loc>http://a/\xe4</loc></url><url><loc>http://b/</loc></url></urlset>"
    assert read(data) == ("urlset", ["http://a/\ufffd", "http://b/"], "")


def test_entities_of_xml_are_resolved() -> None:
    """The five entities and characters by number stand for what they mean."""
    text = "<urlset><url><loc>http://a/?b=1&amp;c=&#50;&lt;&#x27;</loc></url></urlset>"
    assert read(text)[1] == ["http://a/?b=1&c=2<'"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"<urlset>{LOC}<url><loc>http://b", "broken XML in line 1: no element found"),
        (f"<urlset>{LOC}<url><loc", "broken XML in line 1: unclosed token"),
        (f"<urlset>{LOC}</url>", "broken XML in line 1: mismatched tag"),
        (f"<urlset>{LOC}\x00</urlset>", "broken XML in line 1: not well-formed"),
        (f"<urlset>{LOC}{'<x>' * 100}", "elements nested more than 100 deep"),
    ],
)
def test_what_precedes_the_damage_counts(text: str, problem: str) -> None:
    """A cut or damaged end costs what it cuts, half a URL too, and the place is told."""
    form, found, said = read(text)
    assert (form, found) == ("urlset", ["http://a/"])
    assert said.startswith(problem)


BROKEN = [
    ("<url><loc>http://b/?c=1&d=2</loc></url>", "http://b/?c=1&d=2"),
    ("<url><loc>http://b/?c&copy=1&amp;d;&e</loc></url>", "http://b/?c&copy=1&d;&e"),
    ("<url><loc>http://b/caf&eacute;&unknown;&#233;</loc></url>", "http://b/café&unknown;é"),
    ("<url><loc>http://b/</loc><t>a & b</t></url>", "http://b/"),
    ("<url><t>a & b</t><loc>http://b/</loc></url>", "http://b/"),
    ("<url><t>a\x0bb\x00</t><loc>\x01http://b/</loc></url>", "http://b/"),
    ("<url><loc>http://b/</url>", "http://b/"),
    ("<url><loc>http://b/<lastmod>2026</lastmod></url>", "http://b/"),
    ("<url><loc>http://b/</loc>", "http://b/"),
    ("</url><url></b><loc>http://b/</i></loc></url>", "http://b/"),
    ("<url><t>1 < 2 <> </t><loc>http://b/</loc></url>", "http://b/"),
    ("<url><t a=1 b></t><loc>http://b/</loc></url>", "http://b/"),
    ("<url><t a='1></t><loc>http://b/</loc></url>", "http://b/"),
    ("<url><t>&</t><loc><![CDATA[http://b/?c&d<e]]></loc></url>", "http://b/?c&d<e"),
    (
        "<url><t>&</t><!-- <loc>http://no/</loc> --><?a <loc>?><loc>http://b/</loc></url>",
        "http://b/",
    ),
    ("<url>&<image:loc>http://no/</image:loc><loc>http://b/</loc></url>", "http://b/"),
    ("&<url><loc>&#x68;ttp://b/</loc></url>", "http://b/"),
    ("</urlset><urlset><url><loc>http://b/</loc></url></urlset>", "http://b/"),
]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(("damaged", "location"), BROKEN)
def test_broken_xml_is_read_on(damaged: str, location: str, size: int) -> None:
    """What is damaged is read as it was meant, and all that follows; the first problem is told.

    crawler-commons#148, badoo/techblog#146, msm-sitemap#78.
    """
    last = "<url><loc>http://c/?1&amp;2</loc></url>"
    form, found, said = read(f"<urlset>{LOC}\n{damaged}\n{last}</urlset>", (size,))
    assert (form, found) == ("urlset", ["http://a/", location, "http://c/?1&2"])
    assert said.startswith("broken XML in line 2: ") or location == "http://b/" in damaged


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("<sitemapindex><sitemap><loc>{}</loc></sitemap>&<sitemap><loc>{}</loc>", "sitemapindex"),
        ("<rss><channel><b>&</b><item><link>{}</link></item><item><guid>{}</guid></item>", "rss"),
        ("<rss><channel><item><b>&nbsp;</b><link>{}</link><item><link>{}</link></rss>", "rss"),
        ("<feed><entry><link href='{}'/>&</entry><entry><link rel=alternate href={}>", "atom"),
        ("<s:urlset><s:url>&<s:loc>{}</s:loc></s:url><s:url><s:loc>{}</s:loc>", "urlset"),
    ],
)
def test_every_form_is_read_on(text: str, form: str) -> None:
    """Indexes, feeds and prefixed names as well as plain sitemaps."""
    found = read(text.format("http://a/", "http://b/"))
    assert found[:2] == (form, ["http://a/", "http://b/"])
    assert found[2].startswith("broken XML in line 1: ")


@pytest.mark.parametrize(
    "front",
    [
        "Warning: x\n",
        "<br />\n<b>Warning</b>: a < b & c\n",
        "<!-- c -->x",
        '<?xml version="1.0"?>\n',
        "\x02",
    ],
)
@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0" encoding="utf-8"?>\n'])
def test_what_stands_in_front_is_passed_over(front: str, declaration: str) -> None:
    """Warnings of the program that wrote the file cost nothing, and are told."""
    form, found, said = read(f"{front}{declaration}<urlset>{LOC}</urlset>")
    assert (form, found) == ("urlset", ["http://a/"])
    assert said or not declaration or not front.startswith(("<?", "<!"))


def test_a_list_with_other_lines_is_a_list() -> None:
    """What stands before the first URL is handed on as it is, and told."""
    form, found, said = read("# Sitemap\n\nhttp://a/\nhttp://b/\n")
    assert (form, found) == ("text", ["http://a/", "http://b/"])
    assert said == "text in front of the document"


@pytest.mark.parametrize("label", ["latin1", "windows-1251", "shift_jis", "us-ascii", "x-no"])
def test_utf_8_is_known_whatever_is_declared(label: str) -> None:
    """A wrong declaration costs nothing; where the text is not UTF-8, it is believed."""
    text = f'<?xml version="1.0" encoding="{label}"?><urlset><url><loc>http://a/é日</loc></url></urlset>'
    assert read(text, (1,)) == ("urlset", ["http://a/é日"], "")
    assert read(text.encode(), charset=label) == ("urlset", ["http://a/é日"], "")


@pytest.mark.parametrize("size", [1, 5, 4_096])
def test_what_is_declared_counts_from_the_first_octet_that_is_not_utf_8(size: int) -> None:
    """However the octets are cut."""
    data = (
        '<?xml version="1.0" encoding="cp1251"?><urlset><url><loc>http://a/жук</loc></url></urlset>'
    )
    assert read(data.encode("cp1251"), (size,))[1] == ["http://a/жук"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "noise",
    [
        "&",
        "<",
        "<!--",
        "<![CDATA[",
        "<?",
        "<a ",
        "<a b='",
        "<url>",
        "<loc>",
        "</url>",
        "&#1;",
        "<url><loc>",
    ],
)
def test_broken_xml_of_any_length_ends_soon(noise: str) -> None:
    """Hostile repeats are read in one pass, or refused; nothing is held beyond a token's bound."""
    text = f"<urlset>&{noise * (300_000 // len(noise))}"
    form, found, said = read(text, (PIECE,))
    assert (form, found) == ("urlset", [])
    assert said.startswith("broken XML in line 1: ")


def test_entities_are_not_declared_in_broken_xml() -> None:
    """What is broken before its declarations has its entities as plain text (billion laughs)."""
    text = f"<urlset>&<!DOCTYPE urlset [{BOMB}]><url><loc>http://a/&e9;</loc></url></urlset>"
    assert read(text)[1] == ["http://a/&e9;"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!doctype html><p>404", "an HTML page, not a sitemap"),
        ('<!-- x --><html lang="en"><a href="http://a/">', "an HTML page, not a sitemap"),
        ('<?xml version="1.0"?><html xmlns="x"/>', "an HTML page, not a sitemap"),
        (f"<x:set>{LOC}</x:set>", "the root element <x:set> is not that of a sitemap or a feed"),
        ("Not found", "neither XML nor a list of URLs"),
        ("\x89PNG\r\n", "neither XML nor a list of URLs"),
        ("<", "broken XML in line 1: unclosed token"),
    ],
)
def test_what_is_no_sitemap_says_so(text: str, problem: str) -> None:
    """A page in HTML, another root, plain prose: no location, one problem."""
    assert read(text) == ("unknown", [], problem)


@pytest.mark.parametrize("text", ["", "\ufeff", " \r\n" * 20_000])
def test_an_empty_document_has_no_parts(text: str) -> None:
    """Nothing, or nothing but whitespace, holds nothing and has no problem."""
    assert list(locations([text.encode()])) == []


BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
LONG = "x" * 100_000


@pytest.mark.parametrize(
    "declarations",
    [
        f'<!ENTITY e0 "0123456789">{BOMB}',
        f'<!ENTITY e9 "{LONG}">',
        '<!ENTITY e9 SYSTEM "file:///etc/passwd">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1:1/x.dtd"> %p;',
        f'<!ATTLIST url a CDATA "{LONG}">',
        "",
    ],
)
def test_declarations_end_the_reading(declarations: str) -> None:
    """Billion laughs, quadratic blow-up, external entities: nothing declared, nothing grown."""
    text = (
        f"<!DOCTYPE urlset [{declarations}]><urlset><url><loc>{'&e9;' * 100}</loc></url></urlset>"
    )
    said = "declarations in the document type, which are not read"
    assert read(text) == ("unknown", [], said)


def test_entities_from_outside_are_not_loaded() -> None:
    """With an external document type an unknown entity stands for nothing; no file is opened."""
    text = "<!DOCTYPE a SYSTEM '/etc/passwd'><urlset><url><loc>http://a/&b;</loc></url></urlset>"
    assert read(text) == ("urlset", ["http://a/"], "")


@pytest.mark.parametrize(
    "endless", ["<!--", "<?p ", "<x y='", "<x", "</urlset", "&", "<url><loc>&", "</urlset><!--"]
)
def test_a_token_without_end_is_given_up(endless: str) -> None:
    """A tag or comment is cut off at 256 KiB; expat would scan it again with every piece."""
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        yield f"<urlset>{LOC}{endless}".encode()
        for _ in range(3_000):
            taken += PIECE
            yield (b" " if endless == "</urlset" else b"x") * PIECE

    *_, last = locations(chunks())
    assert last.problem == f"a tag or comment longer than {xml.MAX_TOKEN} bytes"
    assert taken < 2 * xml.MAX_TOKEN


def test_elements_that_name_nothing_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Very many of them end the reading: they are dear, and cheap to send when packed."""
    monkeypatch.setattr(sitemap, "BARREN", 20_000)
    text = f"<urlset>{LOC}" + "<url/>" * 20_100
    assert read(text) == ("urlset", ["http://a/"], "more than 20000 elements without a location")


def test_a_list_beyond_the_protocol_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every location allows further elements, so that a long list is not taken for an attack."""
    monkeypatch.setattr(sitemap, "BARREN", 100)
    assert len(read(f"<urlset>{LOC * 1000}</urlset>")[1]) == 1000
    items = "<item><guid>http://a/</guid></item>" * 1000
    assert read(RSS.format(items)) == ("rss", ["http://a/"] * 1000, "")


@pytest.mark.parametrize("tag", ["<x{}/>", "<x y{}=''/>"])
def test_names_without_end_are_given_up(tag: str) -> None:
    """Expat keeps every name it has seen: above 2,000 the reading ends."""
    names = "".join(tag.format(n) for n in range(10_000))
    form, found, problem = read(f"<urlset>{LOC}{names}{LOC}</urlset>")
    assert (form, found) == ("urlset", ["http://a/"])
    assert problem == f"more than {xml.MAX_NAMES} names of elements and attributes"


@pytest.mark.parametrize(
    "wrapped",
    [
        "http://a/{}\nhttp://b/",
        "<urlset><url><loc>http://a/{}</loc></url><url><loc>http://b/</loc></url></urlset>",
    ],
)
def test_an_endless_location_is_cut(wrapped: str) -> None:
    """A location of 3 MB is kept just long enough to be seen as too long; the next is whole."""
    _, found, problem = read(wrapped.format("x" * 3_000_000))
    assert (found[1], problem) == ("http://b/", "")
    assert MAX_LENGTH < len(found[0]) < MAX_LENGTH + 2 * PIECE


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "urlset"])
def test_memory_does_not_grow_with_the_list(form: str) -> None:
    """As many URLs as a sitemap may have, made while they are read, take less than a megabyte."""
    row = "http://a.example/{}\n" if form == "text" else "<url><loc>http://a.example/{}</loc></url>"
    total = 50_000

    def chunks() -> Iterator[bytes]:
        yield b"" if form == "text" else b"<urlset>"
        for n in range(0, total, 1000):
            yield "".join(map(row.format, range(n, n + 1000))).encode()
        yield b"" if form == "text" else b"</urlset>"

    tracemalloc.start()
    found = 0
    for part in locations(chunks()):
        assert not part.problem
        found += len(part.locations)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == total
    assert peak < 1_000_000


def test_what_is_found_is_handed_on() -> None:
    """The reader is never more than one piece ahead of what it has handed on."""
    read_so_far = 0

    def chunks() -> Iterator[bytes]:
        nonlocal read_so_far
        for n in range(10_000):
            read_so_far = n
            yield b"http://a.example/%09d\n" % n

    handed = 0
    for part in locations(chunks()):
        handed += len(part.locations)
        assert read_so_far - handed < 2 + PIECE // 27


SNIPPETS = st.sampled_from(
    [text.encode() for _, text in FORMS]
    + [b"<urlset>", b"</urlset>", b"<url>", b"<loc>http://a/\xe4", b"</loc>", b"</url>", b"&#x41;"]
    + [b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<rss><channel>", b"<item>", b"<guid>http://b/"]
    + [b"<?xml version='1.0' encoding='big5'?>", b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"\r\n"]
    + [b"http://c/\r", b"<!DOCTYPE a [", b"<html>", b"x" * 5000, b"<x>" * 50, LOC.encode() * 1000]
)


@pytest.mark.slow
@given(
    st.lists(SNIPPETS | st.binary(max_size=20), max_size=12).map(b"".join),
    st.lists(st.integers(0, 40_000) | st.integers(1, 9), min_size=1, max_size=4).filter(any),
)
@example(f"<urlset>{LOC * 1000}".encode(), [16_383, 1])
def test_chunks_may_end_anywhere(data: bytes, sizes: list[int]) -> None:
    """Whatever the bytes are, nothing raises, and however they are cut, the result is the same."""
    whole = read(data)
    assert read(data, tuple(sizes)) == whole
    assert read(data, (1,)) == whole


@given(st.binary(max_size=400), st.sampled_from(["", "utf-16", "iso-2022-jp", "replacement", "?"]))
def test_no_bytes_raise(data: bytes, charset: str) -> None:
    """Any bytes at all, and any charset, give values."""
    form, found, problem = read(data, charset=charset)
    assert not found or form not in ("", "unknown")
    assert form != "unknown" or problem
