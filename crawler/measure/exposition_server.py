"""Serve metrics to Prometheus, on a port of this machine alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.registry import Collector

from crawler.model.errors import ConfigurationError, EnvironmentFailure

HOST = "127.0.0.1"
_LAST_PORT = 65_535
BOUNDS = (0.0005, *(n * 10.0**power for power in range(-3, 1) for n in (1, 2.5, 5)), 10.0, 30.0)
"""Upper bounds of the buckets, in seconds: from a page in memory to a timeout."""


@contextmanager
def serving_metrics(port: int, exposition: Collector, *, process: bool = False) -> Iterator[str]:
    """Serve for as long as the block lasts; yields the address. Port 0 is any that is free.

    process: with the `process_` metrics of this process. Raises `ConfigurationError` for what is
    not a port, `EnvironmentFailure` for one that is taken.
    """
    if not 0 <= port <= _LAST_PORT:
        raise ConfigurationError(f"--metrics: {port} is not a port; expected 0 to {_LAST_PORT}")
    registry = CollectorRegistry()
    registry.register(exposition)
    if process:
        ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, addr=HOST, registry=registry)
    except OSError as error:
        raise EnvironmentFailure(f"--metrics: port {port}: {error.strerror}") from None
    try:
        yield f"http://{HOST}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
