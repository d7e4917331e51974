"""Faults of content: valid HTTP around a body that is mislabelled or exhausts its parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat

from crawler.mock.faults.recipe import HTML, Make, always, read
from crawler.mock.reply import Answer, Lazy, content

_TITLE = "Grüße, Привет, 日本語"
_LINK = b'<p><a href="/page/%08d">A link of a page with very many</a></p>\n'
_LINKS = 10 * 1024 * 1024 // len(_LINK % 0)
_DEPTH = 100_000
_LINE_BYTES = 5 * 1024 * 1024
_TITLE_BYTES = 1_000_000
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)
_BLOCK = 64 * 1024


def _document(title: str, rest: str = "<p>Text.</p>", *, meta: str = "") -> str:
    return (
        f"<!DOCTYPE html>\n<html>\n<head>\n{meta}<title>{title}</title>\n</head>\n"
        f'<body>\n{rest}\n<a href="/page/0">page 0</a>\n</body>\n</html>\n'
    )


def _typed(body: bytes, content_type: str) -> Make:
    return always(content(body, content_type))


def _html(text: str | bytes) -> Make:
    body = text.encode() if isinstance(text, str) else text
    return _typed(body, HTML[0][1])


def _long(start: bytes, unit: bytes, times: int, end: bytes) -> Make:
    """Send a page with `unit` repeated in its middle, made while it is sent."""
    per_block = max(_BLOCK // len(unit), 1)
    blocks, rest = divmod(times, per_block)
    block = unit * per_block

    def pieces() -> Iterator[bytes]:
        return chain((start,), repeat(block, blocks), (unit * rest, end))

    size = len(start) + len(unit) * times + len(end)
    return _lazily(pieces, size)


def _lazily(make: Callable[[], Iterator[bytes]], size: int) -> Make:
    return always(Answer(headers=HTML, pieces=Lazy(make=make, length=size)))


def _numbered(start: bytes, unit: bytes, times: int, end: bytes) -> Make:
    """Do the same as `_long` with numbered units, which have one `%d` of fixed width."""

    def block(first: int) -> bytes:
        return b"".join(unit % n for n in range(first, min(first + 1000, times)))

    def pieces() -> Iterator[bytes]:
        return chain((start,), (block(first) for first in range(0, times, 1000)), (end,))

    return _lazily(pieces, len(start) + len(unit % 0) * times + len(end))


_PLAIN = _document(_TITLE)
_NOTED = 'text/html; note="a;charset=utf-8"; charset=iso-8859-2'
_START, _END = b"<!DOCTYPE html>\n<title>Long</title>\n", b"\n"
_SHIFT_JIS = _document("日本語").encode("shift_jis")

_SCHEMES = ("javascript", "data", "mailto", "tel", "file", "ftp", "blob", "about", "vbscript")
_PARTS = b"--abc\r\nContent-Type: text/plain\r\n\r\nhello\r\n--abc--\r\n"

FAULTS = read(
    r"""
charset-lie: The header says UTF-8, the bytes are Shift_JIS. => @
charset-unknown: A charset that does not exist. => @typed text/html; charset=utf-9
charset-odd: A charset that is a codec of Python: zip. => @typed text/html; charset=zip
charset-empty: A charset without a name. => @typed text/html; charset=
charset-bom-conflict: A UTF-16 byte order mark, called UTF-8. => @
charset-meta-conflict: The header says UTF-8, the page windows-1251. => @
charset-utf-7: UTF-7, in which scripts used to be hidden. => @
charset-broken: UTF-8 with surrogates, overlong and lone bytes. => @
type-pdf: A page declared as PDF. => @typed application/pdf
type-html: A PNG declared as HTML. => @
type-broken: An invalid Content-Type. => @typed ;;;/=\x01
type-no-semicolon: A Content-Type without its semicolon. => @
type-list: Two types in one Content-Type, of which the last counts.
    => @typed application/pdf, text/html; charset=utf-8
charset-in-note: The word charset in a quoted parameter, before the real one. => @
type-missing: No Content-Type. => @
type-multipart: Legal: a multipart/mixed body. => @
type-multipart-unbounded: Parts without a boundary, as cameras send them. => @
type-long: A Content-Type of 30 KB. => @
body-empty: An empty page. => @
body-blank: A page of 1 MB of blanks. => @
html-nul: NUL bytes in a page, its title and its links. => @
html-links: A page of 10 MB of links. => @
html-deep: 100,000 nested elements. => @
html-deep-format: 20,000 nested formatting elements, which parsers must reopen. => @
html-tables: 5,000 tables in each other. => @
html-line: One line of 5 MB. => @
html-attribute: An attribute of 5 MB. => @
html-attributes: An element of 20,000 attributes. => @
html-unclosed: Nothing is closed, not even the last comment. => @
html-cut-title: Ends within its title. => @
html-cut-script: Ends within a script. => @
html-long-title: A title of 1,000,000 bytes. => @
html-escapes: Terminal escapes in the title. => @titled \x1b[31mred\x1b]0;owned\x07\x1b[2J\x9b1m
html-bidi: Bidirectional control characters in the title.
    => @titled \u202egnp.exe\u202c \u2066hidden\u2069
html-entities: 200,000 entities, half of them unknown. => @
html-references: Numeric references that are not characters.
    => @titled &#0;&#xD800;&#x110000;&#99999999999999999999;&#x;
html-bases: A thousand base elements, the first of a bad scheme. => @
html-schemes: Links with schemes that cannot be crawled. => @
html-bad-links: Invalid links. => @
html-long-link: A link of 1 MB. => @
""",
    {
        "charset-lie": _html(_SHIFT_JIS),
        "charset-bom-conflict": _html(b"\xff\xfe" + _PLAIN.encode("utf-16-le")),
        "charset-meta-conflict": _html(_document(_TITLE, meta='<meta charset="windows-1251">\n')),
        "charset-utf-7": _typed(
            b"+ADw-title+AD4-hidden+ADw-/title+AD4-", "text/html; charset=utf-7"
        ),
        "charset-broken": _html(
            _PLAIN.encode() + b"<p>\xed\xa0\x80 \xc0\xaf \xff\xfe \xf4\x90\x80\x80</p>"
        ),
        "type-html": _html(_PNG),
        "type-no-semicolon": _typed(_document("No semicolon").encode(), "text/html charset=utf-8"),
        "charset-in-note": _typed(_document("\u0141").encode("iso-8859-2"), _NOTED),
        "type-missing": always(Answer(pieces=(_document("No type").encode(),))),
        "type-multipart": _typed(_PARTS, "multipart/mixed; boundary=abc"),
        "type-multipart-unbounded": _typed(_PARTS, "multipart/x-mixed-replace"),
        "type-long": _typed(_PLAIN.encode(), "text/html" + "; x=y" * 6000),
        "body-empty": always(Answer(headers=HTML)),
        "body-blank": _long(b"", b" ", 1024 * 1024, b""),
        "html-nul": _html(_document("N\0ul", '<a href="/pa\0ge/1">\0</a>')),
        "html-links": _numbered(b"", _LINK, _LINKS, b""),
        "html-deep": _long(_START, b"<div>", _DEPTH, _END),
        "html-deep-format": _long(_START, b"<b><p>", 20_000, _END),
        "html-tables": _long(_START, b"<table><tr><td>", 5_000, _END),
        "html-line": _long(_START, b"word ", _LINE_BYTES // 5, _END),
        "html-attribute": _long(_START + b'<p title="', b"x", _LINE_BYTES, b'">text</p>\n'),
        "html-attributes": _numbered(_START + b"<p", b" a%05d=x", 20_000, b">\n"),
        "html-unclosed": _html(
            '<html><head><title>Unclosed</title><body><p>one<ul><li>two<a href="/page/0">three'
            "<table><tr><td><!-- four"
        ),
        "html-cut-title": _html("<html><head><title>Cut o"),
        "html-cut-script": _html(
            "<html><head><title>Cut</title><script>if (a < b) { document.write('<a href="
        ),
        "html-long-title": _long(b"<!DOCTYPE html>\n<title>", b"x", _TITLE_BYTES, b"</title>\n"),
        "html-entities": _long(_START, b"&amp;&nothing;", 100_000, _END),
        "html-bases": _html(
            _document("Bases", meta='<base href="data:,x">' + '<base href="/b/">' * 1000)
        ),
        "html-schemes": _html(
            _document(
                "Schemes",
                "".join(f'<a href="{scheme}:x">{scheme}</a>' for scheme in _SCHEMES),
            )
        ),
        "html-bad-links": _html(
            _document(
                "Bad links",
                '<a href="http://[">1</a><a href="http://a:b/">2</a><a href="//">3</a>'
                '<a href="http://%00/">4</a><a href="http://\ufffd/">5</a><a href=>6</a>',
            )
        ),
        "html-long-link": _long(_START + b'<a href="/page/0?', b"x", 1024 * 1024, b'">link</a>\n'),
    },
    typed=lambda content_type: _typed(_PLAIN.encode(), content_type),
    titled=lambda title: _html(_document(title)),
)
