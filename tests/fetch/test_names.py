"""Name look-ups: as many as are asked for, each with its own time, none in the way of an exit."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from crawler.fetch import names as names_module
from crawler.fetch.names import Addresses, Names, ResolvedAddress
from crawler.fetch.urllib3_client import ThreadedFetcher
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Failed, Fetched, Kind, Received, Resolved
from crawler.model.request import Purpose, Request
from crawler.model.url import Url
from tests.fetch.conftest import CONFIG, Way, on_a_loop
from tests.fetch.raw import RawServer
from tests.patience import PATIENCE

HERE: Addresses = (ResolvedAddress(socket.AF_INET, "127.0.0.1"),)
SOON = replace(CONFIG, connect_timeout=0.15)
PATIENT = replace(CONFIG, connect_timeout=1)
UNANSWERED = "no answer from the name servers within 0.15 s"


class Dead:
    """A resolver that does not answer for names with "dead" in them until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str) -> Addresses:
        self.asked.append(host)
        if "dead" in host:
            self.released.wait(PATIENCE)
            raise socket.gaierror(socket.EAI_AGAIN, "no luck")
        return HERE


@pytest.fixture
def dead() -> Iterator[Dead]:
    """Released at the end, so that no thread is left behind."""
    resolver = Dead()
    yield resolver
    resolver.released.set()


def question(host: str) -> Request:
    """The core's request for a host's address."""
    url = f"http://{host}/"
    return Request(url=Url(url), seed=url, input=url, purpose=Purpose.ADDRESS, owner=url[:-1])


def resolved(way: Way, host: str, config: CrawlConfig, names: Names) -> Fetched:
    """What a fetcher says of a host's address."""
    if way.name == "threaded":
        with ThreadedFetcher(config, names=names) as threaded:
            return threaded.fetch(question(host))

    async def main() -> list[Fetched]:
        async with way.fetcher(config, names=names) as fetcher:
            return [await fetcher.fetch(question(host))]

    return way.run(main)[0]


def test_dead_names_do_not_delay_others(dead: Dead) -> None:
    """Any number of names that nobody answers for leaves the next its look-up.

    open-webui#27440, twisted#2132, aiohttp#3549, img2dataset#452.
    """
    names = Names(60, look_up=dead)
    waiting = [names.ask(f"{number}.dead.test") for number in range(200)]
    assert names.ask("good.test").answer.result(PATIENCE) == HERE
    assert not any(each.answer.done() for each in waiting)
    names.close()


@pytest.mark.slow
@pytest.mark.parametrize("purpose", ["address", "page"])
def test_a_silent_name_server_is_temporary(way: Way, dead: Dead, purpose: str) -> None:
    """A look-up that takes too long says so, and may be tried again, wherever it is made."""
    names = Names(60, look_up=dead)
    if purpose == "address":
        outcome = resolved(way, "dead.test", SOON, names)
    else:
        (outcome,) = way.fetch(["http://dead.test/"], SOON, names)
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.reason) == (Kind.DNS_TEMPORARY, UNANSWERED)
    assert outcome.kind.retryable


@pytest.mark.slow
def test_the_total_deadline_holds_for_a_look_up(way: Way, dead: Dead) -> None:
    """A look-up may not take longer than a whole exchange may."""
    config = replace(CONFIG, timeout=0.15)
    outcome = resolved(way, "dead.test", config, Names(60, look_up=dead))
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.reason) == (Kind.DNS_TEMPORARY, UNANSWERED)


@pytest.mark.parametrize("code", [socket.EAI_SYSTEM, socket.EAI_MEMORY])
def test_our_own_troubles_are_temporary(way: Way, code: int) -> None:
    """A look-up that failed for want of memory or descriptors says nothing about the name."""

    def look_up(host: str) -> Addresses:
        raise socket.gaierror(code, "too many open files")

    outcome = resolved(way, "a.test", CONFIG, Names(60, look_up=look_up))
    assert isinstance(outcome, Failed)
    assert outcome.kind is Kind.DNS_TEMPORARY


# -- where the system gives no further thread


class Scarce:
    """`threading` with a limit on the threads that may be started."""

    Lock, Condition = threading.Lock, threading.Condition

    def __init__(self, most: int) -> None:
        self.left = most

    def Thread(self, **options: object) -> threading.Thread:  # noqa: N802 - a class's place
        if not self.left:
            return _Refused()
        self.left -= 1
        return threading.Thread(**options)  # type: ignore[arg-type]


class _Refused(threading.Thread):
    def start(self) -> None:
        raise RuntimeError("can't start new thread")


@pytest.fixture
def busy(dead: Dead, monkeypatch: pytest.MonkeyPatch) -> Names:
    """Look-ups whose only thread is busy with a dead name for longer than `PATIENT` allows."""
    monkeypatch.setattr(names_module, "threading", Scarce(1))
    names = Names(60, look_up=dead)
    names.ask("dead.test").begun.result(PATIENCE)
    timer = threading.Timer(1.2 * PATIENT.network.connect_timeout, dead.released.set)
    timer.start()
    return names


@pytest.mark.slow
def test_without_a_thread_a_look_up_waits_and_its_time_stands_still(
    way: Way, site: RawServer, dead: Dead, busy: Names
) -> None:
    """The only thread is busy for longer than the deadline; the good host is fetched anyway."""
    (outcome,) = way.fetch([site.url("/plain", host="good.test")], PATIENT, busy)
    assert isinstance(outcome, Received), outcome
    assert dead.asked == ["dead.test", "good.test"]


@pytest.mark.slow
def test_a_question_for_an_address_waits_for_a_thread(way: Way, busy: Names) -> None:
    """The same for a look-up that the core asked for."""
    outcome = resolved(way, "good.test", PATIENT, busy)
    assert isinstance(outcome, Resolved), outcome


def test_without_any_thread_a_look_up_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is not even one thread nobody waits for ever: the name may be asked again."""
    scarce = Scarce(0)
    monkeypatch.setattr(names_module, "threading", scarce)
    names = Names(60, look_up=lambda host: HERE)
    with pytest.raises(socket.gaierror) as caught:
        names.ask("a.test").answer.result(PATIENCE)
    assert caught.value.errno == socket.EAI_AGAIN
    scarce.left = 1
    assert names.ask("a.test").answer.result(PATIENCE) == HERE
    names.close()


def test_threads_are_used_again_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """One name after the other takes one thread, and a thread without work ends."""
    before = set(threading.enumerate())  # those of a test before may take a while to end
    names = Names(0, look_up=lambda host: HERE)
    names.ask("a.test").answer.result(PATIENCE)
    (thread,) = set(threading.enumerate()) - before
    monkeypatch.setattr(names_module, "IDLE", 0.0)  # for the next time that it waits
    for _ in range(3):
        names.ask("a.test").answer.result(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert names.ask("a.test").answer.result(PATIENCE) == HERE  # by a new one
    names.close()


# -- the end


def test_closing_ends_who_waits() -> None:
    """Whoever waits for a name, or for a thread, learns of the end at once."""
    resolver = Dead()
    names = Names(60, look_up=resolver)
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[Addresses] = pool.submit(names.ask("dead.test").answer.result, 30)
        names.close()
        with pytest.raises(OSError, match="closed"):
            waiting.result(PATIENCE)
    resolver.released.set()


SLOW_EXIT = """
import threading, time
from crawler.fetch.names import Names
names = Names(60, look_up=lambda host: time.sleep(600))
names.ask("dead.test").begun.result()
names.close()
"""


@pytest.mark.slow
def test_an_exit_does_not_wait_for_name_servers() -> None:
    """A process ends while a look-up of it is under way: no thread of these is joined."""
    done = subprocess.run([sys.executable, "-c", SLOW_EXIT], timeout=PATIENCE, check=False)
    assert done.returncode == 0


@on_a_loop
def test_a_cancelled_waiter_leaves_the_look_up_to_others(way: Way, dead: Dead) -> None:
    """One of two who wait for a name goes; the other gets the answer."""
    names = Names(60, look_up=dead)

    async def main() -> list[Fetched]:
        async with way.fetcher(CONFIG, names=names) as fetcher:
            first, second = (
                asyncio.create_task(fetcher.fetch(question("dead.test"))) for _ in range(2)
            )
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.wait([first])
            dead.released.set()
            return [await second]

    (outcome,) = way.run(main)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "no luck"
    assert dead.asked == ["dead.test"]
