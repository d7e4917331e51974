"""Escape control and bidirectional characters in output, which may come from servers.

JSON itself requires escapes only below U+0020. Escaped here too are characters that a terminal
acts on (DEL and the C1 controls: U+009B begins a sequence as ESC [ does), that some readers take
for a line's end (U+0085, U+2028, U+2029), and that reorder text (the bidirectional controls). A
JSON reader gets the same value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

_IN_JSON = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf"
)
_IN_TEXT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def dumps(value: Any, option: int = 0, *, default: Callable[[Any], Any] | None = None) -> bytes:
    """Return `value` as JSON in UTF-8 that is safe to show.

    Lone surrogates become U+FFFD; `default` makes JSON values of what is none.
    """
    option |= orjson.OPT_NON_STR_KEYS
    try:
        return escaped(orjson.dumps(value, default, option))
    except orjson.JSONEncodeError:
        return escaped(orjson.dumps(_mended(value), default, option))


def escaped(json: bytes) -> bytes:
    """Return the same JSON, safe to show."""
    if json.isascii() and b"\x7f" not in json:
        return json
    return _IN_JSON.sub(_as_json, json)


def printable(text: str) -> str:
    r"""Return `text` with `\x1b` and the like for control characters, safe for a terminal."""
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
