"""Output is data: what a server sent moves no cursor, ends no line and turns no text about.

JSON itself asks only that characters below U+0020 be escaped. What else a terminal acts on (DEL and
the C1 controls: U+009B begins a sequence as ESC [ does), what some readers end a line at (U+0085,
U+2028, U+2029) and what shows text in another order than it has (the bidirectional controls) is
escaped here, too. The value that a reader of the JSON gets is the same.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_IN_JSON = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf"
)
_IN_TEXT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def dumps(value: Any, option: int = 0) -> bytes:
    """`value` as JSON in UTF-8 that is safe to show.

    In texts that are no Unicode (lone surrogates) the faults become U+FFFD.
    """
    option |= orjson.OPT_NON_STR_KEYS
    try:
        return escaped(orjson.dumps(value, option=option))
    except orjson.JSONEncodeError:
        return escaped(orjson.dumps(_mended(value), option=option))


def escaped(json: bytes) -> bytes:
    """The same JSON, safe to show; plain ASCII costs 1 us for 20 KB, other text 5 ns a byte."""
    if json.isascii() and b"\x7f" not in json:
        return json
    return _IN_JSON.sub(_as_json, json)


def printable(text: str) -> str:
    r"""One line for a person's terminal, with `\x1b` and the like for what would act on it."""
    return text if text.isprintable() else _IN_TEXT.sub(_as_text, text)


def _as_json(found: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(found[0].decode())


def _as_text(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value
