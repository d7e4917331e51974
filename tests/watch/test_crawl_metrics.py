"""What Prometheus reads of a crawl and of a mock web, and the dashboard that asks for it."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from crawler.core.bottleneck import Limit
from crawler.core.collector import Snapshot, StatisticsCollector
from crawler.core.durations import DurationHistogram
from crawler.load.metrics import Exposition
from crawler.measure.exposition_server import BOUNDS, serving_metrics
from crawler.mock.server.exposition_of_web import WebExposition
from crawler.model.errors import ConfigurationError
from crawler.model.outcome import Kind
from crawler.model.watching_config import WatchingConfig
from crawler.watch.crawl_metrics import CrawlExposition
from tests.cli.test_command import crawler, started
from tests.load.test_metrics import scrape
from tests.unmannered import WORDS

DASHBOARD = Path(__file__).parents[2] / "config" / "grafana.json"
_PROC = Path("/proc/self/stat").exists()  # the library reads it
_NAME = re.compile(r"\b(?:crawler|process)_\w+")


def snapshot() -> Snapshot:
    """Two pages and a failure, three exchanges, half a second held by a delay."""
    collector = StatisticsCollector()
    collector.begin(0.0)
    collector.hold(Limit.DELAY, 1, 1.0)
    collector.go(1.5)
    for seconds in (0.001, 0.2, 40.0):
        collector._latency.add(seconds)
    collector._outcomes.update(page=2, timeout=1)
    collector._counts.update(read=4, wire_bytes=1_000)
    return collector.snapshot(2.0)


def test_a_crawl_in_figures() -> None:
    """Seconds and _total by convention; an outcome or a limit that has not come is 0."""
    about = {"engine": "async"}
    with serving_metrics(0, CrawlExposition(snapshot, about), process=True) as address:
        found = scrape(address)
    assert found["crawler_info", "async"] == 1
    assert found["crawler_read_total",] == 4 and found["crawler_received_bytes_total",] == 1_000
    assert found["crawler_records_total", "page"] == 2
    assert found["crawler_records_total", "timeout"] == 1
    assert found["crawler_records_total", "tls"] == 0
    assert found["crawler_held_seconds_total", "delay"] == 0.5
    assert found["crawler_pending_urls",] == 1 and found["crawler_elapsed_seconds",] == 2
    assert found["crawler_fetch_seconds_bucket", "0.005"] == 1
    assert found["crawler_fetch_seconds_bucket", "30.0"] == 2
    assert found["crawler_fetch_seconds_count",] == 3
    assert found["crawler_fetch_seconds_sum",] == pytest.approx(40.2, rel=1 / 32)
    if _PROC:
        assert found["process_resident_memory_bytes",] > 10**7


def test_no_series_belongs_to_a_host() -> None:
    """Their number is that of outcomes, limits and buckets, whatever the crawl has met."""
    exposition = CrawlExposition(snapshot, {})
    labels = {name for m in exposition.collect() for s in m.samples for name in s.labels}
    assert labels == {"outcome", "limit", "le"}
    series = sum(len(metric.samples) for metric in exposition.collect())
    assert series < 20 + len(Kind) + 4 + len(Limit) + 2 * (len(BOUNDS) + 3)


def test_buckets_count_what_is_below_them() -> None:
    """The counts rise to the number of all, and none is missed at the edges."""
    histogram = DurationHistogram()
    for value in (*BOUNDS, 1_000.0):
        histogram.add(value)
    frozen = histogram.freeze()
    counts = frozen.counts_below([bound * 1.04 for bound in BOUNDS])
    assert counts == list(range(1, len(BOUNDS) + 1)) and frozen.count == len(BOUNDS) + 1


def names(*expositions: Collector) -> set[str]:
    """The names of all series, those of the process included."""
    registry = CollectorRegistry()
    for each in expositions:
        registry.register(each)
    with serving_metrics(0, expositions[0], process=True) as address:
        process = {key[0] for key in scrape(address)}
    return process | {sample.name for metric in registry.collect() for sample in metric.samples}


def test_the_dashboard_asks_for_what_there_is() -> None:
    """Each metric of a query of config/grafana.json is one of ours, under its exact name."""
    there = names(CrawlExposition(snapshot, {}), WebExposition(), Exposition())
    # A load that has had no response yet has no status to tell of.
    there.add("crawler_load_responses_total")
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = [each["expr"] for panel in document["panels"] for each in panel["targets"]]
    asked = {name for query in queries for name in _NAME.findall(query)}
    if not _PROC:
        asked = {name for name in asked if not name.startswith("process_")}
    assert len(queries) > 20 and asked - there == set()
    assert all(query.count("(") == query.count(")") for query in queries)
    assert all("$__rate_interval" in query for query in queries if "_total" in query)
    places = [tuple(panel["gridPos"].values()) for panel in document["panels"]]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("text", ["65536", "-1", "x", True])
def test_what_is_not_a_port_is_refused(text: object) -> None:
    """Before anything is opened, with the range."""
    with pytest.raises(ConfigurationError, match="is not a port; expected 0 to 65535"):
        WatchingConfig(metrics=text)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_crawl_serves_its_metrics_while_it_runs(tmp_path: Path) -> None:
    """And those of a mock web, until a signal; of all partitions."""
    with started("mock", "--port", "0", "--pages", "4000", "--metrics", "0") as web:
        assert web.stdout is not None and web.stderr is not None
        url = web.stdout.readline().strip()
        of_web = web.stderr.readline().removeprefix("metrics: ").strip()
        urls = tmp_path / "list.txt"
        urls.write_text("".join(f"{url}/page/{n}\n" for n in range(4_000)))
        words = ["-i", str(urls), "-o", "-", "--metrics", "0", "--max-time", "60", "--workers=2"]
        with started("crawl", *WORDS, *words, "--delay", "0.2") as process:
            assert process.stderr is not None and process.stdout is not None
            address = process.stderr.readline().removeprefix("metrics: ").strip()
            process.stdout.readline()
            found = scrape(address)
            assert found["crawler_records_total", "page"] >= 0
            assert found["crawler_in_flight",] >= 0
            assert scrape(of_web)["crawler_mock_requests_total",] >= 1
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        web.send_signal(signal.SIGINT)
        assert web.wait(60) == 130
    code, _, err = crawler("crawl", *WORDS, "--metrics", "x", "http://a.test/")
    assert code == 2 and "is not a port" in err
