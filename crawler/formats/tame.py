"""Pages with so many tags that they would take a library minutes.

Frostwork's time is linear but for an end tag that nothing opened, and for `<frameset>`: each looks
at every open element, at 0.5 to 2.5 ns apiece, so that 100,000 `<b>` before 100,000 `</i>` would
take up to 25 s. Lexbor looks so at each `<div>` and the like. Where a page has so many tags that
this could hurt, every tag that neither is a link nor changes how text is read becomes a `<br>`
first, which leaves the links as they are (but for a tag inside an href) and costs about 0.1 us a
tag; links inside templates then count.
"""

from __future__ import annotations

import re
from typing import Final

_COUNTED: Final = 1 << 17
"""Bytes from which tags are counted (1 us for 2 KB); the worst page below takes 0.2 to 0.8 s."""
_TAGS: Final = 1 << 15
"""Tags that a page may have as it is: half of them unmatched, 0.2 to 0.7 s at the worst."""
_FLAT = re.compile(
    rb"</?(?!(?:a|area|base|head|html|body|link|meta|title|script|style|textarea|xmp|iframe|frame"
    rb"|embed|object|noembed|noframes|plaintext)[\t\n\f\r />])[a-z][^\t\n\f\r />]*",
    re.IGNORECASE,
)


def tamed(body: bytes) -> bytes:
    """Return `body`, with `<br>` for its plain tags if it has very many."""
    if len(body) < _COUNTED or body.count(b"<") < _TAGS:
        return body
    return _FLAT.sub(b"<br", body)
