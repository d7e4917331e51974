"""Faults of content: valid HTTP around a body that is mislabelled or exhausts its parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat

from crawler.mock.faults.recipe import HTML, Make, Rows, always
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

FAULTS: Rows = (
    ("charset-lie", "The header says UTF-8, the bytes are Shift_JIS.", _html(_SHIFT_JIS)),
    (
        "charset-unknown",
        "A charset that does not exist.",
        _typed(_PLAIN.encode(), "text/html; charset=utf-9"),
    ),
    (
        "charset-odd",
        "A charset that is a codec of Python: zip.",
        _typed(_PLAIN.encode(), "text/html; charset=zip"),
    ),
    ("charset-empty", "A charset without a name.", _typed(_PLAIN.encode(), "text/html; charset=")),
    (
        "charset-bom-conflict",
        "A UTF-16 byte order mark, called UTF-8.",
        _html(b"\xff\xfe" + _PLAIN.encode("utf-16-le")),
    ),
    (
        "charset-meta-conflict",
        "The header says UTF-8, the page windows-1251.",
        _html(_document(_TITLE, meta='<meta charset="windows-1251">\n')),
    ),
    (
        "charset-utf-7",
        "UTF-7, in which scripts used to be hidden.",
        _typed(b"+ADw-title+AD4-hidden+ADw-/title+AD4-", "text/html; charset=utf-7"),
    ),
    (
        "charset-broken",
        "UTF-8 with surrogates, overlong and lone bytes.",
        _html(_PLAIN.encode() + b"<p>\xed\xa0\x80 \xc0\xaf \xff\xfe \xf4\x90\x80\x80</p>"),
    ),
    ("type-pdf", "A page declared as PDF.", _typed(_PLAIN.encode(), "application/pdf")),
    ("type-html", "A PNG declared as HTML.", _html(_PNG)),
    ("type-broken", "An invalid Content-Type.", _typed(_PLAIN.encode(), ";;;/=\x01")),
    (
        "type-no-semicolon",
        "A Content-Type without its semicolon.",
        _typed(_document("No semicolon").encode(), "text/html charset=utf-8"),
    ),
    (
        "type-list",
        "Two types in one Content-Type, of which the last counts.",
        _typed(_PLAIN.encode(), "application/pdf, text/html; charset=utf-8"),
    ),
    (
        "charset-in-note",
        "The word charset in a quoted parameter, before the real one.",
        _typed(_document("\u0141").encode("iso-8859-2"), _NOTED),
    ),
    ("type-missing", "No Content-Type.", always(Answer(pieces=(_document("No type").encode(),)))),
    (
        "type-multipart",
        "Legal: a multipart/mixed body.",
        _typed(_PARTS, "multipart/mixed; boundary=abc"),
    ),
    (
        "type-multipart-unbounded",
        "Parts without a boundary, as cameras send them.",
        _typed(_PARTS, "multipart/x-mixed-replace"),
    ),
    (
        "type-long",
        "A Content-Type of 30 KB.",
        _typed(_PLAIN.encode(), "text/html" + "; x=y" * 6000),
    ),
    ("body-empty", "An empty page.", always(Answer(headers=HTML))),
    ("body-blank", "A page of 1 MB of blanks.", _long(b"", b" ", 1024 * 1024, b"")),
    (
        "html-nul",
        "NUL bytes in a page, its title and its links.",
        _html(_document("N\0ul", '<a href="/pa\0ge/1">\0</a>')),
    ),
    ("html-links", "A page of 10 MB of links.", _numbered(b"", _LINK, _LINKS, b"")),
    ("html-deep", "100,000 nested elements.", _long(_START, b"<div>", _DEPTH, _END)),
    (
        "html-deep-format",
        "20,000 nested formatting elements, which parsers must reopen.",
        _long(_START, b"<b><p>", 20_000, _END),
    ),
    ("html-tables", "5,000 tables in each other.", _long(_START, b"<table><tr><td>", 5_000, _END)),
    ("html-line", "One line of 5 MB.", _long(_START, b"word ", _LINE_BYTES // 5, _END)),
    (
        "html-attribute",
        "An attribute of 5 MB.",
        _long(_START + b'<p title="', b"x", _LINE_BYTES, b'">text</p>\n'),
    ),
    (
        "html-attributes",
        "An element of 20,000 attributes.",
        _numbered(_START + b"<p", b" a%05d=x", 20_000, b">\n"),
    ),
    (
        "html-unclosed",
        "Nothing is closed, not even the last comment.",
        _html(
            '<html><head><title>Unclosed</title><body><p>one<ul><li>two<a href="/page/0">three'
            "<table><tr><td><!-- four"
        ),
    ),
    ("html-cut-title", "Ends within its title.", _html("<html><head><title>Cut o")),
    (
        "html-cut-script",
        "Ends within a script.",
        _html("<html><head><title>Cut</title><script>if (a < b) { document.write('<a href="),
    ),
    (
        "html-long-title",
        "A title of 1,000,000 bytes.",
        _long(b"<!DOCTYPE html>\n<title>", b"x", _TITLE_BYTES, b"</title>\n"),
    ),
    (
        "html-escapes",
        "Terminal escapes in the title.",
        _html(_document("\x1b[31mred\x1b]0;owned\x07\x1b[2J\x9b1m")),
    ),
    (
        "html-bidi",
        "Bidirectional control characters in the title.",
        _html(_document("\u202egnp.exe\u202c \u2066hidden\u2069")),
    ),
    (
        "html-entities",
        "200,000 entities, half of them unknown.",
        _long(_START, b"&amp;&nothing;", 100_000, _END),
    ),
    (
        "html-references",
        "Numeric references that are not characters.",
        _html(_document("&#0;&#xD800;&#x110000;&#99999999999999999999;&#x;")),
    ),
    (
        "html-bases",
        "A thousand base elements, the first of a bad scheme.",
        _html(_document("Bases", meta='<base href="data:,x">' + '<base href="/b/">' * 1000)),
    ),
    (
        "html-schemes",
        "Links with schemes that cannot be crawled.",
        _html(
            _document(
                "Schemes",
                "".join(f'<a href="{scheme}:x">{scheme}</a>' for scheme in _SCHEMES),
            )
        ),
    ),
    (
        "html-bad-links",
        "Invalid links.",
        _html(
            _document(
                "Bad links",
                '<a href="http://[">1</a><a href="http://a:b/">2</a><a href="//">3</a>'
                '<a href="http://%00/">4</a><a href="http://\ufffd/">5</a><a href=>6</a>',
            )
        ),
    ),
    (
        "html-long-link",
        "A link of 1 MB.",
        _long(_START + b'<a href="/page/0?', b"x", 1024 * 1024, b'">link</a>\n'),
    ),
)
