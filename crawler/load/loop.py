"""The interface of the engines of a load run, and their common parts."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from socket import gaierror
from typing import Protocol

from crawler.load.guard import Target
from crawler.load.hit import Failure, Recorder
from crawler.load.load_config import LoadConfig
from crawler.load.plan import Plan
from crawler.measure.histogram import Histogram
from crawler.model.errors import EnvironmentFailure

_SHORTAGES = {
    errno.EADDRNOTAVAIL: Failure.PORT_SHORTAGE,
    errno.EMFILE: Failure.DESCRIPTOR_SHORTAGE,
    errno.ENFILE: Failure.DESCRIPTOR_SHORTAGE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One process's share of a run: number `number` of `processes`, from 0 on."""

    number: int = 0
    processes: int = 1

    def of(self, whole: int) -> int:
        """Return this process's share of a whole number; the shares add up to it."""
        return whole // self.processes + (self.number < whole % self.processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The input of an engine. `targets` has one entry for each of the plan's origins."""

    config: LoadConfig
    plan: Plan
    targets: Sequence[Target]
    share: Share

    @property
    def connections(self) -> int:
        """Connections of this process."""
        return self.share.of(self.config.connections)

    @property
    def requests(self) -> int | None:
        """Maximum hits of this process after the warm-up; None: unlimited."""
        return self.share.of(self.config.requests) if self.config.requests else None


class Flow:
    """The hits in flight as a function of time, and its integral.

    Kept at every change, not sampled: a timer of the loop fires when the loop is awake, and that is
    when hits leave, so that samples would find too many.
    """

    __slots__ = ("_area", "_at", "count")

    def __init__(self) -> None:
        self.count = 0
        self._at = self._area = 0.0

    def __repr__(self) -> str:
        return f"Flow({self.count} in flight)"

    def change(self, now: float, difference: int) -> None:
        """Add so many hits in flight from now on."""
        self._area += self.count * (now - self._at)
        self._at = now
        self.count += difference

    def area(self, now: float) -> float:
        """Return the seconds that all hits together have been in flight until now."""
        return self._area + self.count * (now - self._at)


class Engine(Protocol):
    """One way to make hits. In this order: `open`, `begin`, then `stop`, then `close`.

    finished: set when all the hits that there should be have ended. lateness: how late the schedule
    was looked at, which is the generator's doing alone; empty in a closed loop. flow: the hits that
    are in flight.
    """

    finished: asyncio.Event
    flow: Flow
    lateness: Histogram

    async def open(self) -> None:
        """Open the connections; raises `EnvironmentFailure` if a target cannot be reached."""

    def begin(self, recorder: Recorder, start: float) -> None:
        """Begin to make hits, the warm-up's first; those from `start` on are measured."""

    def expire(self, now: float) -> None:
        """Fail the hits whose time is up."""

    def stop(self, now: float) -> None:
        """Make no more hits; those under way are recorded as unfinished."""

    async def close(self) -> None:
        """Close every connection, and wait until they are closed."""


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
        why = f"TLS failed: {getattr(error, 'verify_message', '') or error.reason or error}"
    elif isinstance(error, ConnectionRefusedError):
        why = "refused; is the server running?"
    elif isinstance(error, TimeoutError):
        why = "no answer in time"
    elif target.context and isinstance(error, ConnectionError):
        why = "TLS failed: the server closed the connection"
    else:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return EnvironmentFailure(f"cannot connect to {target.origin} ({target.address}): {why}")


async def reach(target: Target, seconds: float) -> None:
    """See that a target can be connected to; raises `EnvironmentFailure` if not."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            transport, _ = await loop.create_connection(
                asyncio.Protocol,
                target.address,
                target.origin.port,
                ssl=target.context,
                server_hostname=target.origin.host if target.context else None,
            )
    except (OSError, TimeoutError) as error:
        raise unreachable(target, error) from error
    transport.abort()
