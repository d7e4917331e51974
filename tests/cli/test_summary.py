"""The summary: what it says, that it adds up, and that it fits a terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crawler.cli import versions
from crawler.cli.cost import Cost
from crawler.cli.crawl_summary import Report
from crawler.cli.unit_formats import duration, megabytes, milliseconds
from crawler.core.collector import Snapshot
from crawler.model.command_config import CommandConfig
from crawler.model.outcome import Kind
from tests.cli.fakes import SNAPSHOT, TOTALS

COST = Cost(
    user=1.0,
    system=0.5,
    children_user=2.0,
    children_system=0.5,
    peak_rss=85_000_000,
    peak_rss_children=40_000_000,
)


def report(snapshot: Snapshot = SNAPSHOT, **values: Any) -> Report:
    """A report of a crawl that went as `SNAPSHOT` says."""
    known: dict[str, Any] = {"config": CommandConfig(), "cost": COST, "parsing": "inline"}
    return Report(snapshot=snapshot, **{**known, **values})


def test_the_summary_of_a_crawl() -> None:
    """Outcomes, throughput, latency, lag, cost, the parser's choice and the account, in lines."""
    assert report().text().splitlines() == [
        "998 records in 2.00 s: 495 pages/s, 8.0 MB/s",
        "  outcomes  page 990, client_error 5, dns 2, invalid_url 1",
        "            redirects followed 40, retries 3",
        "  latency   p50 12 ms, p90 12 ms, p99 81.9 ms, longest 200 ms",
        "  loop lag  p50 0.101 ms, p90 2.3 ms, p99 2.3 ms, longest 2.3 ms",
        "  cost      1.50 s CPU, peak memory 85.0 MB",
        "  workers   2.50 s CPU",
        "  parse     inline",
        "every URL is accounted for: 1,000 read = 998 records + 2 repeats",
    ]


def test_what_was_found_and_what_hosts_had_to_bear_are_told() -> None:
    """A followed crawl says what joined it, what did not and why, and the worst for one host."""
    refused = {"deeper than --depth": 3, "out of scope": 12}
    snapshot = replace(SNAPSHOT, read=800, found=200, refused=refused)
    lines = report(snapshot, totals=TOTALS).text().splitlines()
    assert "  found     200 taken up, 12 out of scope, 3 deeper than --depth" in lines
    load = "1 host, at most 4 in flight to one, smallest gap 251 ms, 2 pauses"
    assert f"  load      {load}" in lines
    assert lines[-1] == (
        "every URL is accounted for: 800 read + 200 found = 998 records + 2 repeats"
    )


def test_what_the_crawl_waited_for_is_told() -> None:
    """Hosts that went away, and the network, with the time that each took."""
    snapshot = replace(SNAPSHOT, outages=2, network_pauses=1, network_paused=61.2)
    told = report(snapshot, totals=replace(TOTALS, away=1_234.5))
    line = "  away      2 outages of hosts, 1,234 s in all, no network for 61 s"
    assert line in told.text().splitlines() and len(line) <= 80
    assert (told.values()["outages"], told.values()["network_paused"]) == (2, 61.2)


def test_a_crawl_of_nothing_is_summed_up() -> None:
    """No division by zero, and no lines about what was not measured."""
    text = report(Snapshot(), parsing="", cost=replace(COST, children_user=0, children_system=0))
    assert text.text().splitlines() == [
        "0 records in 0.00 s: 0 pages/s, 0.0 MB/s",
        "  outcomes  none",
        "  cost      1.50 s CPU, peak memory 85.0 MB",
        "every URL is accounted for: 0 read = 0 records + 0 repeats",
    ]


def test_statistics_hold_no_secrets() -> None:
    """A proxy's password and the user's cookies do not stand in the file of `--stats`."""
    header = ("Cookie: s3cret", "authorization: s3cret", "X-Own: seen")
    config = CommandConfig(proxy="http://me:s3cret@proxy.test:1", header=header)
    values = report(config=config).values()["config"]
    assert "s3cret" not in str(values)
    assert values["proxy"] == ["http://***@proxy.test:1"]
    assert values["header"] == ["Cookie: ***", "authorization: ***", "X-Own: seen"]


def test_one_is_not_many() -> None:
    """A single record is a record."""
    one = replace(SNAPSHOT, read=2, records=1, repeats=1)
    assert report(one).text().endswith("2 read = 1 record + 1 repeat\n")


def test_a_url_without_a_record_is_said_aloud() -> None:
    """If the numbers do not add up, the last line says by how much, and so does the JSON."""
    lost = report(replace(SNAPSHOT, read=1003))
    assert lost.text().splitlines()[-1] == (
        "NOT ACCOUNTED FOR: 1,003 read, but 998 records + 2 repeats leave 3 without a record"
    )
    assert lost.values()["accounted_for"] is False


def test_a_record_that_was_not_written_is_said_aloud() -> None:
    """A full disk leaves no claim that every URL is accounted for."""
    last = report(written=7).text().splitlines()[-1]
    assert last == "NOT ACCOUNTED FOR: 998 records + 2 repeats, but 7 were written"
    assert report(written=7).values()["accounted_for"] is False


def test_an_interrupted_crawl_tells_what_it_did_not_read() -> None:
    """The rest of the list is named, with its size where that is known."""
    cut = replace(SNAPSHOT, read=600, records=598)
    known = report(cut, interrupted=True, expected=1000).text()
    assert "interrupted: about 400 of the list were not read and have no record" in known
    lines = report(replace(cut, spilled=4_321), interrupted=True, expected=1000).text().splitlines()
    assert lines[-2].strip() == "nor have 4,321 that waited"
    whole = report(cut, interrupted=True, expected=600).text()
    assert "interrupted: every URL has its record" in whole
    found = report(replace(cut, spilled=7), interrupted=True, expected=600).text()
    assert "interrupted: 7 that waited have no record" in found
    unknown = report(cut, interrupted=True).text()
    assert "interrupted: what was not read from the list has no record" in unknown


def test_the_summary_fits_80_columns() -> None:
    """With every kind of outcome and millions of URLs no line is wider than a terminal."""
    outcomes = {"page": 5_000_000, **{kind.value: 123_456 for kind in Kind}}
    many = sum(outcomes.values())
    big = replace(SNAPSHOT, read=many + 2, records=many, outcomes=outcomes, wire_bytes=10**14)
    parsing = "auto: process (64 workers) for pages above 123 KB, inline below: a page took 0.30 ms"
    parser = "a_package.of_some_length.and_a_module.with_a_long_name:and_a_long_function"
    lines = report(
        big, interrupted=True, expected=10**9, parsing=parsing, config=CommandConfig(parser=parser)
    ).text().splitlines()  # fmt: skip
    assert max(map(len, lines)) <= 80
    assert all(f"{kind.value} 123,456" in " ".join(lines) for kind in Kind)


def test_what_was_not_measured_is_null() -> None:
    """The JSON has every key also for a crawl without a single response."""
    assert report(Snapshot()).values()["latency"] == dict.fromkeys(("p50", "p90", "p99", "max"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (duration(7.4), "0:07"),
        (duration(59.6), "1:00"),
        (duration(3_661), "1:01:01"),
        (megabytes(130_249_999), "130 MB"),
        (milliseconds(0.0000123), "0.0123 ms"),
        (milliseconds(1.23456), "1,235 ms"),
        (milliseconds(None), "-"),
    ],
)
def test_numbers_read_well(said: str, expected: str) -> None:
    """Times and sizes have the digits that a person needs."""
    assert said == expected


def test_the_cost_of_this_process_is_measured() -> None:
    """CPU time only grows, and the peak is at least what is used now."""
    before = Cost.measure()
    block = bytearray(b"x" * 50_000_000)
    after = Cost.measure()
    assert after.cpu >= before.cpu
    assert after.peak_rss >= len(block)


def test_the_versions_are_those_of_what_the_distribution_asks_for() -> None:
    """A renamed distribution would be found by none of its dependencies (field PK2)."""
    found = versions.versions()
    assert {"python", "crawler", "aiohttp", "httptools", "frostwork"} <= set(found)
    assert "trustme" not in found  # an extra's
