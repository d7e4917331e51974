"""Which encoding bytes are in, and what they say in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import frostwork
import pytest
from hypothesis import given
from hypothesis import strategies as st
from webencodings.labels import LABELS

from crawler.formats import charset

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance"
CASES = CONFORMANCE / "encoding_html5lib.jsonl"
TABLE = CONFORMANCE / "whatwg_labels_to_names.json"

needs_cases = pytest.mark.skipif(not CASES.exists(), reason=f"no {CASES.name} beside the checkout")
needs_table = pytest.mark.skipif(not TABLE.exists(), reason=f"no {TABLE.name} beside the checkout")

SINGLE_BYTE = sorted(
    name
    for name in set(LABELS.values())
    if name.startswith(("windows-", "iso-8859-", "koi8", "x-", "ibm", "macintosh"))
)


def _cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in CASES.read_text("ascii").splitlines()]


@needs_cases
def test_html5lib_encodings_that_a_prescan_can_know() -> None:
    """Every page of html5lib-tests whose encoding 1,024 bytes tell gets that encoding."""
    knowable = [case for case in _cases() if case["prescan_1024_ok"]]
    wrong = [
        (case["file"], case["encoding"], found)
        for case in knowable
        if (found := charset.detect(base64.b64decode(case["data_b64"]))) != case["encoding"].lower()
    ]
    assert len(knowable) == 75
    assert wrong == []


@needs_cases
def test_html5lib_encodings_that_a_prescan_cannot_know() -> None:
    """The other 8 of the 83 are not found, for one of two reasons, and each case has its reason.

    They are a choice: the standard lets a browser read on and start anew, which a crawler does not.
    """
    reasons: dict[str, int] = {}
    for case in _cases():
        if not case["prescan_1024_ok"]:
            body = base64.b64decode(case["data_b64"])
            reason = _why_unknowable(body, case["encoding"].lower())
            reasons[reason] = reasons.get(reason, 0) + 1
            assert charset.detect(body) == charset.DEFAULT
    assert reasons == {"declared after 1,024 bytes": 7, "written by a script": 1}


def _why_unknowable(body: bytes, encoding: str) -> str:
    """Why 1,024 bytes do not tell; the same prescan over all bytes finds what is merely late."""
    if b"document.write" in body:
        assert charset.prescan(body) is None
        return "written by a script"
    assert body.index(b"<meta") > charset.PRESCAN
    assert charset.prescan(body) == encoding
    return "declared after 1,024 bytes"


@needs_table
def test_every_whatwg_label() -> None:
    """Each label of the WHATWG table, in any case and with spaces about it, has its name."""
    table: dict[str, str] = json.loads(TABLE.read_text("utf-8"))
    assert {label: charset.lookup(f" {label.upper()}\n") for label in table} == {
        label: name.lower() for label, name in table.items()
    }


@pytest.mark.parametrize("label", ["utf_8", "latin-1", "cp437", "utf-7", "utf-32", "", "rot13"])
def test_labels_that_name_no_encoding(label: str) -> None:
    """Python's own spellings and encodings unknown to the standard name nothing."""
    assert charset.lookup(label) is None


@pytest.mark.parametrize(
    ("body", "content_type", "name"),
    [
        (b"\xef\xbb\xbf<meta charset=koi8-r>", "text/html; charset=big5", "utf-8"),
        (b"\xff\xfea\0", "text/html; charset=utf-8", "utf-16le"),
        (b"\xfe\xff\0a", "", "utf-16be"),
        (b"<meta charset=koi8-r>", "text/html; Charset=Big5", "big5"),
        (b"<meta charset=koi8-r>", 'text/html; x=1;charset="shift\\_jis" ', "shift_jis"),
        (b"<meta charset=koi8-r>", 'text/html; x=1;charset="shift_jis" ', "shift_jis"),
        (b"<meta charset=koi8-r>", "text/html; charset=nonsense", "koi8-r"),
        (b"<meta charset=koi8-r>", "text/html", "koi8-r"),
        (b"caf\xc3\xa9", "", "utf-8"),
        (b"caf\xc3\xa9 \xe2\x82", "", "utf-8"),
        (b"cafe", "", "windows-1252"),
        (b"", "", "windows-1252"),
        (b"x", "text/html; charset=iso-8859-1", "windows-1252"),
        (b"x", "text/html; charset=gb2312", "gbk"),
        (b"x", "text/html; charset=utf-16", "utf-16le"),
        (b"x", "text/html; charset=hz-gb-2312", "replacement"),
    ],
)
def test_what_goes_before_what(body: bytes, content_type: str, name: str) -> None:
    """A byte order mark beats the header, that the markup, that the bytes, that the default."""
    assert charset.detect(body, content_type) == name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"<meta charset=utf-16>", "utf-8"),
        (b"<meta charset=x-user-defined>", "windows-1252"),
        (b"<META\nCHARSET = 'koi8-r' >", "koi8-r"),
        (b'<meta charset="koi8-r"/>', "koi8-r"),
        (b"<meta charset=koi8-r", None),  # the bytes end before the tag does
        (b"<meta charset='koi8-r>", None),
        (b"<meta name=x charset=nonsense><meta charset=koi8-r>", "koi8-r"),
        (b"<meta charset=big5 charset=koi8-r>", "big5"),
        (b"<meta http-equiv=content-type content='text/html; charset=koi8-r'>", "koi8-r"),
        (b"<meta content='x charset charset = \"koi8-r\"' http-equiv=CONTENT-TYPE>", "koi8-r"),
        (b"<meta content='charset=\"koi8-r' http-equiv=content-type>", None),
        (b"<meta content='text/html; charset=koi8-r'>", None),  # no http-equiv
        (b"<meta http-equiv=refresh content='charset=koi8-r'>", None),
        (b"<!-- <meta charset=big5> --><meta charset=koi8-r>", "koi8-r"),
        (b"<!--><meta charset=koi8-r>", "koi8-r"),
        (b"<!-- <meta charset=koi8-r>", None),
        (b"<a title='<meta charset=big5>'><meta charset=koi8-r>", "koi8-r"),
        (b'<a title="><meta charset=koi8-r>', None),
        (b"<?x <meta charset=big5><meta charset=koi8-r>", "koi8-r"),
        (b"</a <meta charset=big5><meta charset=koi8-r>", "koi8-r"),
        (b"<metal charset=koi8-r>", None),
        (b"<1 <meta charset=koi8-r>", "koi8-r"),
        (b"<?xml version='1.0' encoding='koi8-r'?>", "koi8-r"),
        (b"<?xml version='1.0' encoding='utf-16'?>", "utf-8"),
        (b"<?xml version='1.0' encoding='koi8-r'?><meta charset=big5>", "big5"),
        (b" <?xml version='1.0' encoding='koi8-r'?>", None),
        (b"<\0?\0x\0m\0l\0", "utf-16le"),
        (b"\0<\0?\0x\0m\0l", "utf-16be"),
    ],
)
def test_prescan(head: bytes, name: str | None) -> None:
    """The prescan follows the HTML standard through comments, quotes, repeats and cut-off bytes."""
    assert charset.prescan(head) == name


def test_prescan_stops_after_1024_bytes() -> None:
    """A declaration that ends at byte 1,024 counts, one that ends at byte 1,025 does not."""
    meta = b"<meta charset=koi8-r>"
    fits = b" " * (charset.PRESCAN - len(meta)) + meta
    assert charset.detect(fits) == "koi8-r"
    assert charset.detect(b" " + fits) == "windows-1252"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Съешь ещё этих мягких французских булок, да выпей же чаю. " * 8, "windows-1251"),
        ("いろはにほへとちりぬるを。色は匂へど散りぬるを。" * 8, "shift_jis"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy v české zemi. " * 8, "windows-1250"),
    ],
)
def test_undeclared_text_is_recognised(text: str, name: str) -> None:
    """Undeclared text in a common legacy encoding is decoded as it was written."""
    body = b"<p>" * 5000 + text.encode(name)
    assert charset.text(body, charset.detect(body)).endswith(text)


@pytest.mark.parametrize("name", SINGLE_BYTE)
def test_single_byte_encodings_are_the_standards(name: str) -> None:
    """Each byte from 0x80 decodes as in the WHATWG index, as an independent decoder has it."""
    (theirs,) = frostwork.extract(
        b"".join(b'<a href="%c">' % byte for byte in range(0x80, 0x100)), ["a::attr(href)"], name
    )
    assert [charset.text(bytes([byte]), name) for byte in range(0x80, 0x100)] == theirs


@pytest.mark.parametrize(
    ("body", "name", "text"),
    [
        (b"a\xff", "utf-8", "a\ufffd"),
        (b"\xed\xa0\x80", "utf-8", "\ufffd\ufffd\ufffd"),
        (b"a\0\x00\xd8b\0", "utf-16le", "a\ufffdb"),
        (b"\xef\xbb\xbfa", "utf-8", "a"),
        (b"\xff\xfea\0", "utf-16le", "a"),
        (b"\x81\x9d", "windows-1252", "\x81\x9d"),
        (b"\xaa\xd2\xff", "windows-1253", "\ufffd\ufffd\ufffd"),
        (b"\xb0\xa1", "gbk", "啊"),
        (b"\x87\x40", "shift_jis", "①"),
        (b"\x80", "x-user-defined", "\uf780"),
        (b"anything", "replacement", "\ufffd"),
        (b"", "replacement", ""),
    ],
)
def test_text(body: bytes, name: str, text: str) -> None:
    """Malformed bytes become U+FFFD or C1 controls by the standard, and marks are dropped."""
    assert charset.text(body, name) == text


@pytest.mark.slow
@given(st.binary(max_size=300), st.sampled_from(sorted(set(LABELS.values()))))
def test_decoding_never_raises(body: bytes, name: str) -> None:
    """Any bytes in any encoding give text that UTF-8 can hold."""
    charset.text(body, name).encode("utf-8")


@pytest.mark.slow
@given(
    st.lists(
        st.sampled_from(
            [
                *(b"<meta ", b"charset", b"=", b"koi8-r", b"'", b'"', b">", b"<!--", b"-->", b"/"),
                *(b" ", b"</a", b"<?xml ", b"encoding", b"content", b"http-equiv", b"\xff", b"\0"),
            ]
        ),
        max_size=40,
    ).map(b"".join)
)
def test_detection_never_raises(body: bytes) -> None:
    """Any heap of pieces of declarations gives the name of an encoding."""
    assert charset.detect(body) in LABELS.values()
