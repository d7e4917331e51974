"""The catalogue of faults: what servers do that they should not, each with a name and a path.

`/fault/NAME/REST` is the answer of `/REST` broken in that way (of `/page/0` without a rest). A few
are legal and merely rare; their help says so. All are pure functions, so a fault is the same bytes
for everybody at any time.

Groups: `connection` (what becomes of TCP and when), `head` (status line and fields), `framing`
(where a body ends, RFC 9112 section 6), `coding` (Content-Encoding), `redirect`, `content` (good
HTTP around a hostile body).
"""

from __future__ import annotations

from collections.abc import Mapping

from crawler.mock.faults import coding, connection, content, framing, head, redirect
from crawler.mock.faults.fault import Fault

_GROUPS = (connection.GROUP, head.GROUP, framing.GROUP, coding.GROUP, redirect.GROUP, content.GROUP)

FAULTS: Mapping[str, Fault] = {
    name: fault for group in _GROUPS for name, fault in group.faults.items()
}

if len(FAULTS) != sum(len(group.faults) for group in _GROUPS):
    raise ValueError("two groups have a fault of one name")

__all__ = ["FAULTS", "Fault"]
