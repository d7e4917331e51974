"""Host names for a crawl with this folder on its PYTHONPATH; no question leaves the machine.

`*.ok.test` is 127.0.0.1, after 20 ms; `*.dead.test` has no answer for 10 s and then fails for the
time being (EAI_AGAIN), as a name does whose servers are gone. Addresses are looked up as ever, and
any other name does not exist.
"""

import ipaddress
import socket
import time

_DEAD, _OK = 10.0, 0.02
_look_up = socket.getaddrinfo


def _getaddrinfo(host, port, *rest, **options):  # type: ignore[no-untyped-def]
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name.endswith(".dead.test"):
        time.sleep(_DEAD)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    if name.endswith(".ok.test"):
        time.sleep(_OK)
        name = "127.0.0.1"
    elif not _address(name):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return _look_up(name, port, *rest, **options)


def _address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


socket.getaddrinfo = _getaddrinfo
