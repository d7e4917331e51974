"""Which request headers are credentials: their names tell."""

from __future__ import annotations

_PARTS = (
    *("auth", "cookie", "credential", "jwt", "key", "passw", "pwd"),
    *("secret", "session", "signature", "token", "xsrf"),
)


def is_secret(name: str) -> bool:
    """Tell whether a header of this name may hold credentials.

    Any name with such a part counts, so `X-Api-Key` does, and `X-Keyboard` and `Author`, too: one
    that is kept back is found in the first response, one that leaked is not found at all.
    """
    name = name.lower()
    return any(part in name for part in _PARTS)


def hidden(line: str) -> str:
    """Return a header line as people and files may see it: `X-Api-Key: ***`."""
    name, colon, value = line.partition(":")
    return f"{name}: ***" if is_secret(name) else f"{name}{colon}{value}"
