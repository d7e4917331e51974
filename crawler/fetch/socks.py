"""Negotiate a connection with a SOCKS5 proxy (RFC 1928, RFC 1929).

`negotiation` does no I/O: it yields the bytes to send and the number of bytes to read, so that both
engines run it over their own sockets. It never reads beyond the reply: the target's bytes follow.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Generator

from socksio import ProtocolError, socks5

from crawler.model.fault import Fault
from crawler.model.outcome import Kind
from crawler.model.proxies import Proxy

Negotiation = Generator[tuple[bytes, int], bytes, None]
"""Yields bytes to send and the number of bytes to read, and is sent the bytes read."""

_ADDRESS_BYTES = {1: 4, 4: 16}
_UNREACHED = frozenset(
    {
        socks5.SOCKS5ReplyCode.NETWORK_UNREACHABLE,
        socks5.SOCKS5ReplyCode.HOST_UNREACHABLE,
        socks5.SOCKS5ReplyCode.CONNECTION_REFUSED,
        socks5.SOCKS5ReplyCode.TTL_EXPIRED,
    }
)
"""Replies about the target; the others are about the proxy."""


def negotiation(proxy: Proxy, host: str, port: int) -> Negotiation:
    """Ask `proxy` for a connection to a host, by name or address; raise `Fault` if refused."""
    connection = socks5.SOCKS5Connection()
    try:
        yield from _greet(connection, proxy)
        address = socks5.SOCKS5CommandRequest.from_address(
            socks5.SOCKS5Command.CONNECT, (_plain(host), port)
        )
        connection.send(address)
        head = yield connection.data_to_send(), 4
        length = _ADDRESS_BYTES.get(head[3])
        if length is None:
            head += yield b"", 1
            length = head[-1]
        rest = yield b"", length + 2
        _check(connection.receive_data(head + rest))
    except (ProtocolError, ValueError, OverflowError) as error:
        raise refused(f"not SOCKS5: {error}") from None


def _greet(connection: socks5.SOCKS5Connection, proxy: Proxy) -> Negotiation:
    methods = [socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED]
    if proxy.user:
        methods.append(socks5.SOCKS5AuthMethod.USERNAME_PASSWORD)
    connection.send(socks5.SOCKS5AuthMethodsRequest(methods))
    reply = connection.receive_data((yield connection.data_to_send(), 2))
    method = getattr(reply, "method", None)
    if method == socks5.SOCKS5AuthMethod.USERNAME_PASSWORD and proxy.user:
        user, password = proxy.user.encode(), proxy.password.encode()
        connection.send(socks5.SOCKS5UsernamePasswordRequest(user, password))
        reply = connection.receive_data((yield connection.data_to_send(), 2))
        if not getattr(reply, "success", False):
            raise refused("wants other credentials")
    elif method != socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED:
        raise refused("wants credentials; write socks5://user:password@host:port")


def _check(reply: object) -> None:
    code = getattr(reply, "reply_code", None)
    if code == socks5.SOCKS5ReplyCode.SUCCEEDED:
        return
    words = code.name.replace("_", " ").lower() if code is not None else "no reply"
    if code in _UNREACHED:
        closed = code == socks5.SOCKS5ReplyCode.CONNECTION_REFUSED
        raise Fault(Kind.CONNECT, f"{words}, says the proxy", no_tls=closed)
    raise refused(words)


def _plain(host: str) -> str:
    """Return an address in the form that the library recognizes, or the name."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return host


def refused(words: str) -> Fault:
    """Return the fault of a proxy that refuses."""
    return Fault(Kind.PROXY, f"proxy: {words}")
