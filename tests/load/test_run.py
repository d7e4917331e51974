"""A whole run: its start, its end by time, count, signal or error, and its processes."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from crawler.load.crew import Crew
from crawler.load.hit import Measured, Recorder
from crawler.load.load_config import LoadConfig
from crawler.load.loop import Share
from crawler.load.monitor import listen_overflows
from crawler.load.planner import plan_of
from crawler.load.run import run_load, together
from crawler.load.validity import Probes
from crawler.load.worker import WorkerOrder
from crawler.mock import MockWeb, running
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.runtime.event_loop import new_event_loop
from tests.load.servers import OK, answering, counting, load, serving, silent
from tests.patience import PATIENCE


async def test_a_refused_port_is_one_line() -> None:
    """It names the server and says what to look at."""
    async with serving(silent) as url:
        pass
    with pytest.raises(EnvironmentFailure, match=r"http://127\.0\.0\.1:\d+ .*refused; is the"):
        await load(url)


@pytest.mark.parametrize(
    ("urls", "options", "words"),
    [
        ([], {}, "no URL"),
        (["ftp://127.0.0.1/"], {}, "unsupported scheme"),
        (["http://192.0.2.1/"], {}, "target_is_mine: 192.0.2.1 is not on loopback"),
        (["http://127.0.0.1/"], {"method": "GE T"}, "method: 'GE T' is not a request method"),
        (["http://127.0.0.1/"], {"header": ("X 1",)}, "expected 'NAME: VALUE'"),
        (["http://127.0.0.1/"], {"header": ("X: 1\x01",)}, "a header field cannot hold"),
        (["http://127.0.0.1/"], {"processes": 3, "connections": 2}, "only 2 connections"),
        (["http://127.0.0.1/"], {"stages": "fast"}, "stages"),
    ],
)
async def test_what_cannot_be_is_refused_at_once(
    urls: list[str], options: dict[str, object], words: str
) -> None:
    """Before anything is connected, with a line that says what and why."""
    with pytest.raises(ConfigurationError, match=words.replace(".", r"\.")):
        await load(urls, **options)


async def test_an_unreadable_body_is_one_line() -> None:
    """It names the file."""
    with pytest.raises(EnvironmentFailure, match=r"cannot read the body /no/such: No such file"):
        await load("http://127.0.0.1/", body="@/no/such")


@pytest.mark.slow
async def test_halt_ends_a_run_early() -> None:
    """With what was measured until then."""
    halt = asyncio.Event()

    def stop(measured: Measured) -> None:
        assert measured.count
        halt.set()

    async with serving(answering(OK)) as url:
        measured, _ = await run_load(
            LoadConfig(connections=1, duration=2 * PATIENCE), [url], on_second=stop, halt=halt
        )
    assert measured.count and measured.elapsed < PATIENCE


async def test_sigint_ends_a_run_and_its_handler_is_given_back() -> None:
    """The event that was passed tells that the result is partial."""
    before = signal.getsignal(signal.SIGTERM)
    halt = asyncio.Event()
    handler, answered = counting(1)
    async with serving(handler) as url:
        config = LoadConfig(connections=1, duration=2 * PATIENCE)
        run = asyncio.create_task(run_load(config, [url], halt=halt))
        await answered.wait()
        os.kill(os.getpid(), signal.SIGINT)
        measured, _ = await run
    assert halt.is_set() and measured.elapsed < PATIENCE
    assert signal.getsignal(signal.SIGTERM) == before


async def test_an_error_of_ones_own_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in a callback is raised, not counted as a server's failure."""

    def hit(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("crawler.load.hit.Recorder.hit", hit)
    async with serving(answering(OK)) as url:
        with pytest.raises(ZeroDivisionError):
            await load(url)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"rate": 400.0}, {"rate": 400.0, "arrivals": "poisson"}])
def test_processes_share_a_run(options: dict[str, object]) -> None:
    """Together they make as many hits as one would, and their counts are added up."""
    with running(MockWeb(pages=10)) as web:
        config = LoadConfig(processes=2, connections=4, requests=101, **options)  # type: ignore[arg-type]
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            measured, probes = runner.run(run_load(config, list(web.urls())))
        assert web.statistics().requests == 101
    assert measured.statuses == {200: 101} and measured.service.count == 101
    assert probes.cpu_seconds > 0


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run() -> None:
    """One line that names it and the signal."""

    async def run(urls: list[str]) -> None:
        config = LoadConfig(processes=2, connections=2, duration=30)
        order = WorkerOrder(config=config, targets=tuple(urls), addresses=("127.0.0.1",))
        async with Crew.started(order, asyncio.Event()) as crew:
            running = asyncio.ensure_future(crew.run(asyncio.Event(), None))
            await asyncio.sleep(0.3)
            crew._workers[1].kill()
            await running

    with (
        running(MockWeb(pages=10)) as web,
        pytest.raises(EnvironmentFailure, match=r"process \d+ .* was killed by SIGKILL"),
    ):
        asyncio.run(run(list(web.urls())))


@pytest.mark.slow
def test_processes_that_cannot_connect_say_so() -> None:
    """The error of a process is the run's."""

    async def run() -> None:
        async with serving(silent) as url:
            pass
        await load(url, processes=2, connections=2)

    with pytest.raises(EnvironmentFailure, match="refused"):
        asyncio.run(run())


def test_a_process_that_ends_early_spoils_no_mean() -> None:
    """Of two with as many requests one is slower; Little's law holds for both together."""
    parts = []
    for seconds in (1, 4):
        recorder = Recorder(0.0)
        for sent in (n * seconds / 10 for n in range(10)):
            recorder.hit(sent, sent, sent + seconds / 10, 200, 1)
        parts.append((recorder.freeze(float(seconds)), Probes(mean_in_flight=1.0)))
    measured, probes = together(parts)
    assert measured.expected_in_flight == pytest.approx(1.25, rel=0.01)
    assert probes.mean_in_flight == pytest.approx(1.25)


def test_shares_add_up() -> None:
    """Nothing of a whole number is lost or made up."""
    for whole in (0, 1, 7, 64, 101):
        assert sum(Share(number=n, processes=3).of(whole) for n in range(3)) == whole


def test_connections_are_shared_out_by_the_list() -> None:
    """Every server has one, the rest goes by the number of its URLs, none is left over."""
    urls = [*["http://a.test/"] * 6, "http://b.test/", *["http://c.test/"] * 3]
    plan = plan_of(LoadConfig(), urls)
    for connections in (3, 10, 64):
        shares = plan.shared_out(connections)
        assert sum(shares) == connections and min(shares) >= 1
        assert shares[0] >= shares[2] >= shares[1]


def test_a_seed_shuffles_the_list() -> None:
    """The same way each time; without one it stays as it is."""
    urls = [f"http://a.test/{n}" for n in range(50)]
    plans = [plan_of(LoadConfig(seed=seed), urls) for seed in (0, 5, 5)]
    orders = [[plan.url(each.at(0, 0)) for each in plan.order] for plan in plans]
    assert orders[0] == urls and orders[1] == orders[2] != urls
    assert sorted(orders[1]) == sorted(urls)


def test_listen_overflows_are_read_from_the_kernels_table() -> None:
    """By name, as columns differ between kernels; None where there is no such table."""
    table = "TcpExt: A ListenOverflows ListenDrops\nTcpExt: 1 2 3\nIpExt: B\nIpExt: 4\n"
    assert listen_overflows(lambda: table) == 3
    assert listen_overflows(lambda: "") is None
