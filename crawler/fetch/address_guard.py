"""The address guard: every address is judged before anything connects to it.

    host --DNS--> addresses --`admitted`--> those allowed --connect, by the address itself

Both fetchers pass every address here after the look-up and connect without a second look-up, so a
name that answers differently the next time gains nothing. A connection is judged once, when it is
made, at no cost to requests that reuse it. Redirects, robots and sitemaps are exchanges like any
other.

A proxy connects itself and, unless it is a socks5:// one, also looks names up, so that only the URL
can be judged (`check_url`). The proxy's own address comes from the user and is not judged.
"""

from __future__ import annotations

from crawler.fetch.fetch_fault import RefusedExchange
from crawler.fetch.names import Addresses
from crawler.model.address import AddressPolicy
from crawler.model.fault import Fault
from crawler.model.outcome import Kind
from crawler.model.url import Url


def admitted(policy: AddressPolicy, addresses: Addresses, port: int) -> Addresses:
    """Return those of a host's `addresses` that are allowed; raise `RefusedExchange` if none is."""
    refusals = [policy.refusal(address.ip, port) for address in addresses]
    if not any(refusals):
        return addresses
    allowed = tuple(a for a, refusal in zip(addresses, refusals, strict=True) if refusal is None)
    if not allowed:
        raise RefusedExchange(refusals[0])
    return allowed


def check_url(policy: AddressPolicy, url: Url) -> None:
    """Judge a URL that a proxy will fetch; raise `Fault` if it is refused."""
    host, port = url.hostname, url.port
    if ":" in host or host[-1:].isdigit():  # WHATWG URL: no name ends in a number
        refusal = policy.refusal(host, port)
    elif f".{host.rstrip('.')}".endswith(".localhost"):  # RFC 6761, 6.3: always loopback
        refusal = policy.refusal("127.0.0.1", port)
    else:
        refusal = policy.port_refusal(port)
    if refusal is not None:
        raise Fault(Kind.BLOCKED_ADDRESS, refusal)
