"""Tell request headers with credentials by their names."""

from __future__ import annotations

_PARTS = (
    *("auth", "cookie", "credential", "jwt", "key", "passw", "pwd"),
    *("secret", "session", "signature", "token", "xsrf"),
)


def is_secret(name: str) -> bool:
    """Tell whether a header of this name may hold credentials.

    Any name with such a part counts, `X-Api-Key` as well as `X-Keyboard` and `Author`: a header
    withheld by mistake shows in the first response, a leaked one never shows.
    """
    name = name.lower()
    return any(part in name for part in _PARTS)


def hidden(line: str) -> str:
    """Return a header line as users and files may see it: `X-Api-Key: ***`."""
    name, colon, value = line.partition(":")
    return f"{name}: ***" if is_secret(name) else f"{name}{colon}{value}"
