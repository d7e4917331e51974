"""The hosts of a mock web: from a number to an authority and back.

Host 0 is `options.host` itself. With `addresses` host H is H addresses further (127.0.0.1,
127.0.0.2, ...), with `ports` H ports further, with `names` it is `h<H>.<domain>`, at the one
address and port, told apart by the Host field (RFC 9110 section 7.2).
"""

from __future__ import annotations

import ipaddress
import re

from crawler.mock.options import MockWeb

_NUMBER = re.compile(r"h(0|[1-9][0-9]{0,6})")


def address(options: MockWeb, number: int) -> str:
    """The IP address (or `localhost`) that host `number` is reached at."""
    if options.authority != "addresses" or not number:
        return options.host
    first = "127.0.0.1" if options.host == "localhost" else options.host
    return str(ipaddress.ip_address(first) + number)


def port(options: MockWeb, number: int) -> int:
    """The port that host `number` is reached at."""
    return options.port + number if options.authority == "ports" else options.port


def authority(options: MockWeb, number: int) -> str:
    """`host:port` of host `number`, as it stands in its URLs."""
    if options.authority == "names":
        name = f"h{number}.{options.domain}"
    else:
        name = address(options, number)
    name = f"[{name}]" if ":" in name else name
    wanted = port(options, number)
    return name if wanted == _default_port(options) else f"{name}:{wanted}"


def origin(options: MockWeb, number: int) -> str:
    """`scheme://authority` of host `number`."""
    return f"{options.scheme}://{authority(options, number)}"


def index(options: MockWeb, asked: str) -> int | None:
    """The number of the host that `asked` (an authority, any case) is, or None for a stranger."""
    if options.hosts == 1:
        return 0 if asked.lower() == authority(options, 0) else None
    name, _, tail = asked.lower().rpartition(":")
    if not name or tail.endswith("]"):
        name, tail = asked.lower(), str(_default_port(options))
    if not (tail.isascii() and tail.isdigit() and len(tail) <= 5):
        return None
    number = _number(options, name, int(tail))
    known = number is not None and 0 <= number < options.hosts
    return number if known and port(options, number or 0) == int(tail) else None


def _number(options: MockWeb, name: str, at: int) -> int | None:
    match options.authority:
        case "names":
            label, _, domain = name.partition(".")
            found = _NUMBER.fullmatch(label) if domain == options.domain else None
            return int(found[1]) if found else None
        case "ports":
            return at - options.port if name.strip("[]") == options.host else None
        case "addresses":
            return _distance(options, name)


def _distance(options: MockWeb, name: str) -> int | None:
    if name == options.host:
        return 0
    first = "127.0.0.1" if options.host == "localhost" else options.host
    try:
        return int(ipaddress.ip_address(name.strip("[]"))) - int(ipaddress.ip_address(first))
    except ValueError:
        return None


def _default_port(options: MockWeb) -> int:
    return 443 if options.tls else 80
