"""Names are looked up beside the fetches: a dead one holds nothing that a living host could use."""

from __future__ import annotations

import pytest

from crawler.core.crawl_core import CrawlCore
from crawler.core.step import BUSY, Fetch
from crawler.model.config import CrawlConfig
from crawler.model.outcome import Kind, Resolved
from crawler.model.request import Purpose, Request
from crawler.model.url import Seed
from tests.core.play import failed
from tests.top_level import TopLevelDomains


def crawl(urls: list[str], *, look_ups: bool = False, **options: object) -> CrawlCore:
    """A core that has read this whole list."""
    config = CrawlConfig(robots="ignore", **options)  # type: ignore[arg-type]
    core = CrawlCore(config, random=lambda: 0.5, suffixes=TopLevelDomains(), look_ups=look_ups)
    core.admit([Seed.read(url) for url in urls], 0.0)
    core.exhausted()
    return core


def started(core: CrawlCore) -> list[Request]:
    """All that may start now."""
    found = []
    while isinstance(step := core.next(0.0), Fetch):
        found.append(step.request)
    assert step is BUSY
    return found


def test_look_ups_do_not_count_as_fetches() -> None:
    """Names under look-up leave all of `concurrency` to the hosts that are known already.

    open-webui#27440, twisted#2132, aiohttp#3549, img2dataset#452.
    """
    names = [f"http://dead{n}.example/" for n in range(10)]
    core = crawl([*names, *(f"http://good{n}.example/" for n in range(3))], concurrency=2)
    asked = started(core)
    assert [each.purpose for each in asked] == [Purpose.ADDRESS] * 13
    for number, each in enumerate(asked):
        if "good" in each.owner:
            core.finish(each, Resolved(request=each, address=f"192.0.2.{number}"), 0.0)
    assert [each.purpose for each in started(core)] == [Purpose.PAGE] * 2


@pytest.mark.parametrize(("concurrency", "most"), [(1, 256), (300, 300)])
def test_look_ups_are_bounded(concurrency: int, most: int) -> None:
    """As many at once as fetches, or 256 where that is more; each that ends lets another begin."""
    core = crawl([f"http://dead{n}.example/" for n in range(400)], concurrency=concurrency)
    asked = started(core)
    assert len(asked) == most
    core.finish(asked[0], failed(asked[0], Kind.DNS), 0.0)
    assert len(started(core)) == 1


@pytest.mark.parametrize("per_ip", [0, 16])
def test_every_name_is_looked_up_before_its_host_is_asked(per_ip: int) -> None:
    """Where addresses have no limits, too, so that no fetch waits for a name server."""
    core = crawl(["http://a.example/", "http://192.0.2.1/"], look_ups=True, per_ip=per_ip)
    asked = [(each.purpose, each.url.href) for each in started(core)]
    assert sorted(asked, key=str) == [
        (Purpose.ADDRESS, "http://a.example/"),
        (Purpose.PAGE, "http://192.0.2.1/"),
    ]


def test_hosts_without_limits_of_their_address_are_asked_once_known() -> None:
    """After the look-up such hosts wait for nothing that others on their address do."""
    urls = [f"http://h{n}.example/" for n in range(3)]
    core = crawl(urls, look_ups=True, per_ip=0, ip_delay=5.0)
    for each in started(core):
        core.finish(each, Resolved(request=each, address="192.0.2.1"), 0.0)
    assert [each.url.href for each in started(core)] == urls


def test_behind_a_proxy_no_name_is_looked_up() -> None:
    """The proxy does that."""
    core = crawl(["http://a.example/"], look_ups=True, proxy="http://proxy.example:3128")
    assert [each.purpose for each in started(core)] == [Purpose.PAGE]
