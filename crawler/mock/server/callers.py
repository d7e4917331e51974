"""Protect the control paths from web pages of other servers.

A page in somebody's browser can send requests to loopback, too: openly, with its origin, or through
DNS rebinding, by a name that resolves to loopback once the page is loaded, so that the browser
takes both for one origin. The first is recognized by `Origin` and `Sec-Fetch-Site` (Fetch, 3.2;
Fetch Metadata, 2.3), the second by a `Host` that is neither a loopback name nor one of this
server's. Clients other than browsers send neither of the first two, and an address in `Host` cannot
be rebound.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from crawler.mock.scenario import MockWeb

_OWN_SITES = ("same-origin", "none")  # none: a person typed the URL
Fields = Iterable[tuple[bytes, bytes]]


def refusal(fields: Fields, options: MockWeb, local: str) -> str:
    """Return the reason to refuse control paths to these header fields; "" if they are allowed.

    local: the address and port that the client has connected to.
    """
    named = [(name.lower(), value.decode("latin-1")) for name, value in fields]
    asked = [value for name, value in named if name == b"host"]
    for host in asked:
        if not _is_own(host, options, local):
            return (
                f"control paths are for Host {options.authority_of(0)} and loopback names, "
                f"not {host!r}"
            )
    own = {f"{options.scheme}://{host}".lower() for host in asked}
    for name, value in named:
        if name == b"origin" and value.lower() not in own:
            return f"control paths are not for pages of another origin, as {value!r}"
        if name == b"sec-fetch-site" and value.lower() not in _OWN_SITES:
            return f"control paths are not for pages of another site (Sec-Fetch-Site: {value})"
    return ""


def _is_own(host: str, options: MockWeb, local: str) -> bool:
    """Return True if a Host field names this server and cannot lead a browser elsewhere."""
    if options.host_number(host) is not None:
        return True
    name = _name(host)
    if name == "localhost" or name.endswith(".localhost"):  # loopback by RFC 6761, 6.3
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    # With `--public` clients may use the address of another machine that forwards to this one.
    return options.public or address.is_loopback or name == _name(local)


def _name(authority: str) -> str:
    """Return the host of `host:port`, in lower case and without brackets or a final dot."""
    name, colon, tail = authority.rpartition(":")
    name = name if colon and not tail.endswith("]") else authority
    return name.lower().strip("[]").removesuffix(".")
