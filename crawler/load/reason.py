"""Failures of hits: their kinds, and the reasons in a few words; the first of each is shown."""

from __future__ import annotations

import errno
import os
import ssl
from socket import gaierror

from crawler.load.guard import Target
from crawler.load.measured import Failure
from crawler.model.errors import EnvironmentFailure

_SHOWN = 40
_SHORTAGES = {
    errno.EADDRNOTAVAIL: Failure.PORT_SHORTAGE,
    errno.EMFILE: Failure.DESCRIPTOR_SHORTAGE,
    errno.ENFILE: Failure.DESCRIPTOR_SHORTAGE,
}


def failure_of(error: BaseException) -> Failure:
    """Return the kind of failure of a connection attempt."""
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        return _SHORTAGES[error.errno]
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        return Failure.TLS
    if isinstance(error, TimeoutError):
        return Failure.TIMEOUT
    return Failure.DNS if isinstance(error, gaierror) else Failure.CONNECT


def unreachable(target: Target, error: BaseException) -> EnvironmentFailure:
    """Return a one-line error for a target that does not answer at the start."""
    if isinstance(error, ssl.SSLError):
        why = f"TLS failed: {_verified(error)}"
    elif isinstance(error, ConnectionRefusedError):
        why = "refused; is the server running?"
    elif isinstance(error, TimeoutError):
        why = "no answer in time"
    elif target.context and isinstance(error, ConnectionError):
        why = "TLS failed: the server closed the connection"
    else:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return EnvironmentFailure(f"cannot connect to {target.origin} ({target.address}): {why}")


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
        return _verified(error)
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else str(error) or type(error).__name__


def _verified(error: ssl.SSLError) -> str:
    return str(getattr(error, "verify_message", "") or error.reason or error)
