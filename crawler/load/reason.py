"""Reasons for hits without an answer, in a few words: the first of each kind is shown."""

from __future__ import annotations

import os
import ssl

_SHOWN = 40


def shown(raw: bytes) -> str:
    """Return the beginning of what came in place of an answer, in printable characters."""
    text = ascii(raw[:_SHOWN].decode("latin-1"))
    return f"{text}..." if len(raw) > _SHOWN else text


def overdue(seconds: float) -> str:
    """Say that the time was up."""
    return f"no answer within {seconds:g} s"


def ended(error: BaseException | None, received: int) -> str:
    """Say how a connection ended before its answer did, of which so many bytes had come."""
    how = "closed" if error is None else words(error)
    return (
        f"{how} after {received:,} bytes of an answer" if received else f"{how} without an answer"
    )


def unconnected(error: BaseException, seconds: float) -> str:
    """Say why a connection could not be opened."""
    if isinstance(error, TimeoutError) and getattr(error, "errno", None) is None:
        return f"no connection within {seconds:g} s"
    return words(error)


def words(error: BaseException) -> str:
    """Return an error in the words of the system, without addresses."""
    if isinstance(error, ssl.SSLError):
        return str(getattr(error, "verify_message", "") or error.reason or error)
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else str(error) or type(error).__name__
