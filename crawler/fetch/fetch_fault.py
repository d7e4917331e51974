"""Translate errors of the operating system and TLS into faults, for both fetchers.

Foreign exceptions stop here and in the module that imports their library: they become a `Fault`, a
kind and one line, without URLs or credentials.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

from crawler.model.fault import ONLY_HTTP2, Fault
from crawler.model.outcome import Kind, Lost
from crawler.runtime import late_trust

_TIMED_OUT = frozenset({errno.ETIMEDOUT})
_BROKEN = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN})
_PASSING = frozenset({socket.EAI_AGAIN, socket.EAI_SYSTEM, socket.EAI_MEMORY})  # ours, or theirs
_NO_NETWORK = frozenset({errno.ENETUNREACH, errno.ENETDOWN})
_NO_HOST = frozenset({errno.EHOSTUNREACH, errno.EHOSTDOWN})
_NO_STORE = "; this machine has no CA certificates: install ca-certificates or set SSL_CERT_FILE"


_WAY = " (--insecure accepts it)"
_LEGACY_SERVER_CONNECT = 0x4  # ssl.OP_LEGACY_SERVER_CONNECT, which came with Python 3.12
_SOURCE = re.compile(r"^\[[^\]]*\] | \(\w+\.c:\d+\)$")
_NO_COMMON_PROTOCOL = "tlsv1 alert no application protocol"  # RFC 7301, 3.2: it was offered 1.1
_TOO_OLD = (
    *("handshake failure", "protocol version", "unsupported protocol", "insufficient security"),
    *("too small", "too weak", "legacy", "signature type", "signature algorithm"),
    *("wrong cipher returned", "no ciphers"),
)
"""Parts of OpenSSL's reasons for refusing by default what it could speak."""
_NOT_TLS = frozenset(
    {
        *("wrong version number", "http request", "https proxy request", "unknown protocol"),
        *("record layer failure", "packet length too long", "unexpected message"),
        *("bad record type", "unexpected record", "encrypted length too long"),
    }
)
"""OpenSSL's reasons for bytes that are not TLS records."""


class RefusedExchange(OSError):
    """Raised for an address that the guard blocks; an OSError, so that libraries pass it on."""


def overdue(seconds: float) -> Fault:
    """Return the fault of an exchange that exceeded its timeout."""
    return Fault(Kind.TIMEOUT, f"not finished within {seconds:g} s")


def stalled() -> Fault:
    """Return the fault of a silent exchange whose memory others wait for."""
    return Fault(Kind.TIMEOUT, "stalled while memory was short (--memory)")


def connect_overdue(seconds: float) -> Fault:
    """Return the fault of a look-up, connection and TLS handshake that exceeded their timeout."""
    return Fault(Kind.CONNECT_TIMEOUT, f"no connection within {seconds:g} s")


def unanswered(seconds: float) -> Fault:
    """Return the fault of a look-up that exceeded its timeout: temporary."""
    return Fault(Kind.DNS_TEMPORARY, f"no answer from the name servers within {seconds:g} s")


def connecting(error: Exception, *, proxied: bool = False, verify: bool = True) -> Fault:
    """Return the fault of an error before the request was sent; `verify` is the context's."""
    fault = _connecting(error, verify=verify)
    if proxied and fault.kind in (Kind.DNS, Kind.DNS_TEMPORARY, Kind.CONNECT):
        return Fault(Kind.PROXY, f"proxy: {fault.reason}", lost=Lost.NETWORK)
    return fault


def _connecting(error: Exception, *, verify: bool) -> Fault:
    if isinstance(error, RefusedExchange):
        return Fault(Kind.BLOCKED_ADDRESS, str(error))
    if isinstance(error, ssl.SSLError):
        return handshake(error, verify=verify)
    if isinstance(error, socket.gaierror):
        return _look_up(error)
    if isinstance(error, TimeoutError) or getattr(error, "errno", None) in _TIMED_OUT:
        return Fault(Kind.CONNECT_TIMEOUT, "connection attempt timed out")
    if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return Fault(Kind.DISCONNECTED, "closed while connecting", no_tls=True)
    refused = isinstance(error, ConnectionRefusedError)
    return Fault(Kind.CONNECT, _words(error), no_tls=refused, lost=_lost(error))


def _look_up(error: socket.gaierror) -> Fault:
    kind = Kind.DNS_TEMPORARY if error.errno in _PASSING else Kind.DNS
    return Fault(kind, str(error.strerror or error))


def handshake(error: ssl.SSLError, *, verify: bool) -> Fault:
    """Return the fault of a failed TLS handshake, in OpenSSL's words.

    If the demands of `verify` are what failed, the reason says how to drop them.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        known = "issuer" not in error.verify_message or _has_store()
        return Fault(Kind.TLS, f"certificate: {error.verify_message}{_WAY if known else _NO_STORE}")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):  # may be temporary
        return Fault(Kind.DISCONNECTED, "closed while connecting", no_tls=True)
    reason = error.reason or _SOURCE.sub("", str(error))  # Python has no names of newer reasons
    reason = reason.replace("_", " ").lower()
    if reason == _NO_COMMON_PROTOCOL:
        return Fault(Kind.PROTOCOL, ONLY_HTTP2)
    hint = _WAY if verify and any(word in reason for word in _TOO_OLD) else ""
    return Fault(Kind.TLS, reason + hint, no_tls=reason in _NOT_TLS)


def exchanging(error: OSError) -> Fault:
    """Return the fault of an operating system error after the request was sent."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return Fault(Kind.TIMEOUT, "no answer in time")
    if error.errno in _BROKEN or isinstance(error, ConnectionError):
        return Fault(Kind.DISCONNECTED, "connection reset")
    return Fault(Kind.DISCONNECTED, _words(error), lost=_lost(error))


def _lost(error: Exception) -> Lost | None:
    """Return whether the network or the host was unreachable, None if neither."""
    number = getattr(error, "errno", None)
    if number in _NO_NETWORK:
        return Lost.NETWORK
    return Lost.HOST if number in _NO_HOST else None


def _words(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else str(error) or type(error).__name__


def _has_store() -> bool:
    """Return True if OpenSSL finds certificates, the system's or those of SSL_CERT_FILE."""
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or bool(paths.capath and os.listdir(paths.capath))


def tls_context(*, verify: bool) -> ssl.SSLContext:
    """Return a client context that trusts the system's store, or SSL_CERT_FILE and SSL_CERT_DIR.

    Without `verify` it accepts all that OpenSSL can speak, as `curl -k` does: every TLS version and
    cipher that is built in, short keys and old hashes, renegotiation without RFC 5746.
    """
    context = late_trust.client_context()
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.options |= _LEGACY_SERVER_CONNECT
    return context


def malformed(detail: str) -> Fault:
    """Return the fault of a response that is not HTTP, or broken."""
    return Fault(Kind.PROTOCOL, f"malformed response: {detail}" if detail else "malformed response")


def closed() -> Fault:
    """Return the fault of a connection closed before the response's header was complete."""
    return Fault(Kind.DISCONNECTED, "closed without an answer")


def cut_short() -> Fault:
    """Return the fault of a connection closed in the middle of the body."""
    return Fault(Kind.DISCONNECTED, "closed in the middle of the body")
