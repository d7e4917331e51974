"""Checks of `crawler doctor` outside of this process: DNS, IPv6, the clock, TLS, proxies.

Each returns a `LimitFinding`. Only `dns` sends anything: it looks up one name.
"""

from __future__ import annotations

import ctypes
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from crawler.model.errors import ConfigurationError
from crawler.model.proxies import Proxies
from crawler.runtime.limit_finding import Gravity, LimitFinding

PATIENCE = 10.0
"""Seconds for one look-up; a resolver's default is 5 for each of its servers (resolv.conf(5))."""
_SLOW = 1.0
_DOCUMENTATION = "2001:db8::1"  # RFC 3849; choosing a route to it sends nothing
_SYNCHRONISED_OFF = 5  # TIME_ERROR of adjtimex(2)
_TIMEX = 512  # bytes; the structure has 208 on 64 bits


class TimedLookUp:
    """One look-up of a name in a thread: its `seconds`, or the `problem`."""

    def __init__(
        self,
        name: str,
        resolve: Callable[[str, int], object] = socket.getaddrinfo,
        patience: float = PATIENCE,
    ) -> None:
        self.name = name
        self.problem = f"no answer within {patience:g} s"
        started = perf_counter()
        thread = threading.Thread(target=self._run, args=(resolve,), daemon=True)
        thread.start()
        thread.join(patience)
        self.seconds = perf_counter() - started

    def _run(self, resolve: Callable[[str, int], object]) -> None:
        try:
            resolve(self.name, 443)
        except OSError as error:
            self.problem = error.strerror or str(error)
        else:
            self.problem = ""


def dns(found: TimedLookUp, *, proxied: bool = False) -> LimitFinding:
    """Judge a look-up; a proxy that resolves names makes it matter less."""
    if found.problem:
        return LimitFinding(
            name="dns",
            gravity=Gravity.NOTE if proxied else Gravity.PROBLEM,
            found=f"{found.name}: {found.problem}",
            means="names are left to the proxy" if proxied else "URLs with names fail as dns",
            command="" if proxied else "see /etc/resolv.conf; resolvectl status",
        )
    slow = found.seconds >= _SLOW
    return LimitFinding(
        name="dns",
        gravity=Gravity.WARNING if slow else Gravity.OK,
        found=f"{found.name} looked up in {found.seconds * 1e3:,.0f} ms",
        means="each new host waits for its look-up, 256 at once",
        command="a caching resolver on this machine, as unbound or systemd-resolved" * slow,
    )


def ipv6(address: str = _DOCUMENTATION) -> LimitFinding:
    """Check for a route to the IPv6 internet; nothing is sent."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 443))
    except OSError as error:
        return LimitFinding(
            name="ipv6",
            gravity=Gravity.NOTE,
            found=f"no route ({error.strerror})",
            means="hosts are fetched by IPv4; the few that have IPv6 alone fail as connect",
        )
    means = "hosts are fetched by IPv6 where they have it, else by IPv4"
    return LimitFinding(name="ipv6", gravity=Gravity.OK, found="there is a route", means=means)


def clock(now: float, newest: float, synchronised: bool | None) -> LimitFinding:
    """Judge the clock: Unix times of now and of the newest file that is surely older."""
    gravity, found, command = Gravity.OK, "synchronised", ""
    means = "certificates, cookies, caches and --since go by it"
    if synchronised is None:
        gravity, found = Gravity.NOTE, "the system does not say whether it is synchronised"
    elif not synchronised:
        gravity, found, command = Gravity.WARNING, "not synchronised", "timedatectl set-ntp true"
    if now < newest:
        gravity, command = Gravity.PROBLEM, "timedatectl set-ntp true"
        found = f"{newest - now:,.0f} s before this program was installed"
        means = "certificates seem not to be valid yet: https URLs fail as tls"
    return LimitFinding(name="clock", gravity=gravity, found=found, means=means, command=command)


def clock_here() -> LimitFinding:
    """Check this machine's clock."""
    return clock(time.time(), Path(__file__).stat().st_ctime, _synchronised())


def _synchronised() -> bool | None:
    """Return whether the kernel's clock is kept in time; None where it cannot be asked."""
    with suppress(AttributeError, OSError):
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX))
        return None if state < 0 else state != _SYNCHRONISED_OFF
    return None


def tls() -> LimitFinding:
    """Check that there are certificates to trust, where OpenSSL and its variables say."""
    paths = ssl.get_default_verify_paths()
    number = ssl.create_default_context().cert_store_stats()["x509_ca"]
    folder = paths.capath or ""
    in_folder = len(os.listdir(folder)) if folder else 0  # read one by one, when needed
    if number or in_folder:
        means = "https URLs are checked against them"
        found = f"{number or in_folder} certificates to trust"
        return LimitFinding(name="tls", gravity=Gravity.OK, found=found, means=means)
    return LimitFinding(
        name="tls",
        gravity=Gravity.PROBLEM,
        found=f"no certificates in {paths.cafile or paths.openssl_cafile}",
        means="every https URL fails as tls",
        command="apt install ca-certificates (elsewhere: SSL_CERT_FILE=/path/to/bundle.pem)",
    )


def proxies(environment: Mapping[str, str]) -> LimitFinding:
    """Check the proxies that the environment names."""
    try:
        note = Proxies((), environment).note
    except ConfigurationError as error:
        return LimitFinding(
            name="proxies",
            gravity=Gravity.PROBLEM,
            found=str(error),
            means="every crawl is refused",
            command="unset http_proxy https_proxy all_proxy (or --proxy none)",
        )
    if not note:
        return LimitFinding(
            name="proxies", gravity=Gravity.OK, found="none", means="hosts are asked directly"
        )
    found, _, means = note.partition("; ")
    return LimitFinding(name="proxies", gravity=Gravity.NOTE, found=found, means=means)


def examined(name: str, environment: Mapping[str, str]) -> list[LimitFinding]:
    """Run every check of this module; looks up `name`."""
    try:
        chosen = Proxies((), environment).all
    except ConfigurationError:
        chosen = ()
    proxied = bool(chosen) and all(each.looks_up for each in chosen)
    return [
        dns(TimedLookUp(name), proxied=proxied),
        ipv6(),
        clock_here(),
        tls(),
        proxies(environment),
    ]
