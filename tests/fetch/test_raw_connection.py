"""A connection of the raw client by itself, on a transport without a socket."""

from __future__ import annotations

from tests.fuzz.on_connections import Reader, connected

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n"
PIECE = bytes(65_536)


def test_a_slow_reader_stops_the_server() -> None:
    """While 128 KB wait to be read nothing more is, and once they are read there is."""
    connection, wire = connected()
    connection.data_received(HEAD + PIECE)
    assert not wire.paused
    connection.data_received(PIECE)
    assert wire.paused
    Reader(connection).go_on()
    assert not wire.paused


def test_who_waits_for_memory_reads_nothing() -> None:
    """A held connection reads on only when it is let go, whatever is taken of it meanwhile."""
    connection, wire = connected()
    connection.data_received(HEAD + 2 * PIECE)
    connection.hold(held=True)
    Reader(connection).go_on()
    assert wire.paused
    connection.hold(held=False)
    assert not wire.paused
