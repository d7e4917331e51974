"""Flatten pages with so many tags that an HTML library would take minutes.

Frostwork's time is linear but for an unmatched end tag and for `<frameset>`: each looks at every
open element, so that 100,000 `<b>` before 100,000 `</i>` take many seconds. Lexbor does the same
for each `<div>` and the like. On a page with that many tags, every tag that is not a link and does
not change how text is read first becomes a `<br>`. Links stay (but for a tag inside an href); those
inside templates then count.
"""

from __future__ import annotations

import re
from typing import Final

_COUNTED: Final = 1 << 17
"""Size in bytes from which tags are counted."""
_TAGS: Final = 1 << 15
"""Maximum tags of a page left as it is."""
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
