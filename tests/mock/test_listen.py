"""Accepting clients: whoever comes while a listener stops is let go, and told so."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import cast

import pytest

from crawler.mock import LoopFactory
from crawler.mock.server.listen import accepting, bound, welcome

CLIENTS = 8


class Dropped(asyncio.Protocol):
    """A connection to a server that stops: aborted as soon as it is made."""

    made = lost = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Dropped.made += 1
        cast(asyncio.Transport, transport).abort()

    def connection_lost(self, error: Exception | None) -> None:
        Dropped.lost += 1


@pytest.mark.parametrize("turns", range(8))
def test_a_stop_in_any_turn_loses_no_connection(loop_factory: LoopFactory, turns: int) -> None:
    """However far its greeting is when a listener stops, a connection that was made is lost."""

    async def stopped() -> None:
        (listener,) = bound(("127.0.0.1", 0))
        async with accepting([(listener, welcome(Dropped))]):
            for client in clients:
                client.connect(listener.getsockname())
            for _ in range(turns):
                await asyncio.sleep(0)
        for _ in range(4):
            await asyncio.sleep(0)

    Dropped.made = Dropped.lost = 0
    with contextlib.ExitStack() as stack, asyncio.Runner(loop_factory=loop_factory) as runner:
        clients = [stack.enter_context(socket.socket()) for _ in range(CLIENTS)]
        runner.run(stopped())
        assert (Dropped.made, Dropped.lost) in ((0, 0), (CLIENTS, CLIENTS))
