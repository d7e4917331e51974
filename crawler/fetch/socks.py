"""Negotiate a connection with a SOCKS5 proxy (RFC 1928, RFC 1929).

Both engines pass their own ways to send and to receive. Nothing is read beyond the reply: the
target's bytes follow.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from socksio import ProtocolError, socks5

from crawler.model.fault import Fault
from crawler.model.outcome import Kind
from crawler.model.proxies import Proxy

Send = Callable[[bytes], Awaitable[None]]
Receive = Callable[[int], Awaitable[bytes]]
"""Returns at most so many bytes; b"" if the proxy has closed the connection."""

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


async def negotiate(proxy: Proxy, host: str, port: int, send: Send, receive: Receive) -> None:
    """Ask `proxy` for a connection to a host, by name or address; raise `Fault` if refused."""

    async def read(size: int) -> bytes:
        got = b""
        while len(got) < size:
            data = await receive(size - len(got))
            if not data:
                raise _refused("closed the connection")
            got += data
        return got

    connection = socks5.SOCKS5Connection()
    try:
        await _greet(connection, proxy, send, read)
        address = socks5.SOCKS5CommandRequest.from_address(
            socks5.SOCKS5Command.CONNECT, (_plain(host), port)
        )
        connection.send(address)
        await send(connection.data_to_send())
        head = await read(4)
        length = _ADDRESS_BYTES.get(head[3])
        if length is None:
            head += await read(1)
            length = head[-1]
        _check(connection.receive_data(head + await read(length + 2)))
    except (ProtocolError, ValueError, OverflowError) as error:
        raise _refused(f"not SOCKS5: {error}") from None


async def _greet(
    connection: socks5.SOCKS5Connection, proxy: Proxy, send: Send, read: Receive
) -> None:
    methods = [socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED]
    if proxy.user:
        methods.append(socks5.SOCKS5AuthMethod.USERNAME_PASSWORD)
    connection.send(socks5.SOCKS5AuthMethodsRequest(methods))
    await send(connection.data_to_send())
    method = getattr(connection.receive_data(await read(2)), "method", None)
    if method == socks5.SOCKS5AuthMethod.USERNAME_PASSWORD and proxy.user:
        user, password = proxy.user.encode(), proxy.password.encode()
        connection.send(socks5.SOCKS5UsernamePasswordRequest(user, password))
        await send(connection.data_to_send())
        if not getattr(connection.receive_data(await read(2)), "success", False):
            raise _refused("wants other credentials")
    elif method != socks5.SOCKS5AuthMethod.NO_AUTH_REQUIRED:
        raise _refused("wants credentials; write socks5://user:password@host:port")


def _check(reply: object) -> None:
    code = getattr(reply, "reply_code", None)
    if code == socks5.SOCKS5ReplyCode.SUCCEEDED:
        return
    words = code.name.replace("_", " ").lower() if code is not None else "no reply"
    if code in _UNREACHED:
        closed = code == socks5.SOCKS5ReplyCode.CONNECTION_REFUSED
        raise Fault(Kind.CONNECT, f"{words}, says the proxy", no_tls=closed)
    raise _refused(words)


def _plain(host: str) -> str:
    """Return an address in the form that the library recognizes, or the name."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return host


def _refused(words: str) -> Fault:
    return Fault(Kind.PROXY, f"proxy: {words}")
