"""`--metrics`: a load that Prometheus can follow."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crawler.model.errors import ConfigurationError

if TYPE_CHECKING:
    from crawler.load.metrics import Exposition

_LAST_PORT = 65_535


@contextmanager
def exposing(port: int | None, *, quiet: bool) -> Iterator[Exposition | None]:
    """Serve metrics while the block runs, and say where; None without a port.

    Raises `ConfigurationError` for what is not a port, `EnvironmentFailure` for one that is taken.
    """
    if port is None:
        yield None
        return
    if not 0 <= port <= _LAST_PORT:
        raise ConfigurationError(f"--metrics: {port} is not a port; expected 0 to {_LAST_PORT}")
    from crawler.load.metrics import Exposition, serving_metrics

    exposition = Exposition()
    with serving_metrics(port, exposition) as address:
        if not quiet:
            print(f"metrics: {address}", file=sys.stderr)
        yield exposition
