"""The workers of a Dask cluster: `distributed`, from the extra `cluster`.

`local:N` is a cluster of N processes on this machine, which goes with the command; anything else is
the address of a scheduler that somebody else runs. Everything listens on loopback here. Nothing of
Dask is in what the rounds leave.
"""

from __future__ import annotations

import logging
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.extras import install
from crawler.model.version import VERSION

_LOCAL = re.compile(r"local:([1-9][0-9]{0,2})")
_ADDRESS = re.compile(r"(?:tcp|tls|ws|wss|ucx)://\S+")
_PATIENCE = 10.0
"""Seconds for a scheduler to answer, and to have a worker."""
_RESTART = 60.0
"""Seconds for a scheduler that was lost to come back."""
_ASKED = "__import__('importlib').import_module('crawler.model.version').VERSION"
_LOOK = 2.0  # seconds between two looks at the number of workers
_PAUSE = 0.5


def check_address(address: str) -> None:
    """Raise `ConfigurationError` for what is no cluster, or without the library for it."""
    if not (_LOCAL.fullmatch(address) or _ADDRESS.fullmatch(address)):
        raise ConfigurationError(
            f"cluster: {address} is neither local:N, with N processes, nor the address of a "
            "scheduler, as in tcp://host:8786"
        )
    if find_spec("distributed") is None:
        raise ConfigurationError(
            f"cluster: needs distributed, which is not installed; {install('cluster')}"
        )


class DaskWorkers:
    """The workers of the cluster at an address. Raises what `check_address` raises.

    announce: told of the dashboard. Raises `EnvironmentFailure` for a scheduler that does not
    answer, or has no workers, and `ConfigurationError` for workers with another version of this
    package.
    """

    def __init__(self, address: str, announce: Callable[[str], None]) -> None:
        check_address(address)
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is told here
        self._address = self._name = address
        self._stack = ExitStack()
        try:
            local = _LOCAL.fullmatch(address)
            if local:
                self._address = self._started(int(local[1]))
            self._client = self._connected(_PATIENCE)
            self._check_workers()
        except BaseException:
            self._stack.close()
            raise
        self._looked_at = -_LOOK
        self._threads: dict[str, int] = {}
        announce(f"cluster: {self.slots} workers; dashboard {self._client.dashboard_link}")

    def __repr__(self) -> str:
        return f"DaskWorkers({self._name!r})"

    @property
    def slots(self) -> int:
        """Rounds that run at once: the threads of all workers."""
        return max(1, sum(self._looked().values()))

    @property
    def sharing(self) -> int:
        """Rounds that share one machine, at the most."""
        hosts: Counter[str] = Counter()
        for worker, threads in self._looked().items():
            hosts[worker.rpartition(":")[0]] += threads
        return max(hosts.values(), default=1)

    def executor(self) -> Executor:
        """Return what takes calls. Raises `EnvironmentFailure` if the scheduler stays away."""
        if self._client.status != "running":
            self._close_client()
            self._client = self._connected(_RESTART)
        found: Executor = self._client.get_executor(pure=False, retries=0)
        return found

    def close(self) -> None:
        """End the rounds that run; a cluster that was started here ends, too."""
        self._close_client()
        self._stack.close()

    def _close_client(self) -> None:
        with suppress(Exception):  # whatever a lost connection leads to, it is given up
            self._client.close(timeout=_PAUSE)

    def _looked(self) -> dict[str, int]:
        now = time.monotonic()
        if now - self._looked_at >= _LOOK:
            self._looked_at = now
            with suppress(OSError, TimeoutError, ValueError):  # as it was, until it is back
                self._threads = dict(self._client.nthreads())
        return self._threads

    def _started(self, number: int) -> str:
        from distributed import LocalCluster

        with _signals_kept():
            cluster: Any = self._stack.enter_context(
                LocalCluster(
                    n_workers=number,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address=None,
                    memory_limit=0,  # the crawl itself, in processes of its own, minds its memory
                    silence_logs=logging.CRITICAL,
                )
            )
        address: str = cluster.scheduler_address
        return address

    def _connected(self, patience: float) -> Any:
        from distributed import Client

        until = time.monotonic() + patience
        while True:
            try:
                client = Client(
                    self._address, timeout=min(patience, _PATIENCE), set_as_default=False
                )
                client.wait_for_workers(1, timeout=max(until - time.monotonic(), _PAUSE))
            except TimeoutError as error:
                why = "has no workers" if "client" in locals() else "does not answer"
                failure = EnvironmentFailure(f"cluster: the scheduler at {self._name} {why}")
                if time.monotonic() >= until:
                    raise failure from error
            except OSError as error:
                if time.monotonic() >= until or patience == _PATIENCE:
                    raise EnvironmentFailure(
                        f"cluster: no scheduler answers at {self._name}; check the address"
                    ) from error
            else:
                return client
            time.sleep(_PAUSE)

    def _check_workers(self) -> None:
        """Raise `ConfigurationError` unless every worker has this version of this package."""
        # By built-in names alone, which a worker without this package has, too.
        told = self._client.run(eval, _ASKED, on_error="return")
        for worker, found in told.items():
            if found != VERSION:
                own = isinstance(found, str)
                has = f"has crawler {found}" if own else "does not have this package"
                raise ConfigurationError(
                    f"cluster: worker {worker} {has}, and the driver is {VERSION}; install one "
                    "version everywhere"
                )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Start processes that a terminal's signals do not end: it is this one that ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
