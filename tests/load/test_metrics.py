"""What Prometheus reads of a load."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.request import urlopen

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from crawler.load.load_config import LoadConfig
from crawler.load.measured import Measured, TargetCounts
from crawler.load.metrics import Exposition
from crawler.load.run import run_load
from crawler.measure.exposition_server import HOST, serving_metrics
from crawler.model.errors import EnvironmentFailure
from tests.load import sample
from tests.load.servers import OK, answering, serving
from tests.patience import PATIENCE

Scraped = Mapping[tuple[str, ...], float]


def scrape(address: str) -> Scraped:
    """Each sample's value, by its name and the values of its labels."""
    with urlopen(address, timeout=PATIENCE) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}


@pytest.mark.slow
def test_counters_and_latencies_are_those_of_the_run() -> None:
    """Seconds and _total by convention; a kind of failure that has not come is 0, not absent."""
    exposition = Exposition()
    with serving_metrics(0, exposition) as address:
        assert address.startswith(f"http://{HOST}:")
        assert scrape(address)["crawler_load_errors_total",] == 0
        exposition.before(None)(sample.measured())
        found = scrape(address)
    assert found["crawler_load_responses_total", "200"] == 1_164
    assert found["crawler_load_failures_total", "timeout"] == 13
    assert found["crawler_load_failures_total", "dns"] == 0
    assert found["crawler_load_errors_total",] == 36
    buckets = [n for key, n in found.items() if key[0] == "crawler_load_service_seconds_bucket"]
    assert buckets == sorted(buckets) and buckets[-1] == 1_200
    assert found["crawler_load_service_seconds_bucket", "0.005"] == 480
    assert found["crawler_load_response_seconds_count",] == 1_200
    assert {len(key) for key in found} <= {1, 2, 3}


def test_counters_rise_over_several_runs() -> None:
    """What a run has counted stays when the next begins, also where it has other targets."""
    exposition, seen = Exposition(), list[int]()
    watch = exposition.before(lambda measured: seen.append(measured.count))
    watch(sample.quiet())
    one = TargetCounts(name="one")
    for targets in ((one,), (one, one)):
        exposition.end(Measured(elapsed=1.0, statuses={200: 1}, targets=targets))
    assert exposition.whole.statuses == {200: 2}
    watch(Measured(elapsed=0.1, statuses={200: 1}))
    assert exposition.whole.statuses == {200: 3} and seen == [2, 1]
    assert exposition.whole.rows == ()


@pytest.mark.slow
def test_targets_are_told_apart() -> None:
    """By status and kind of error, over several runs; a run with one target has no such figures."""
    exposition, run = Exposition(), sample.measured()
    first, second = (target.name for target in run.targets)
    with serving_metrics(0, exposition) as address:
        exposition.end(replace(run, targets=run.targets[:1]))
        assert not any("target" in key[0] for key in scrape(address))
        exposition.before(None)(run)
        found = scrape(address)
    assert found["crawler_load_target_responses_total", "200", first] == 2 * 1_164
    assert found["crawler_load_target_responses_total", "302", second] == 1
    assert found["crawler_load_target_errors_total", "timeout", first] == 2 * 13


@pytest.mark.slow
async def test_targets_are_told_while_the_run_lasts() -> None:
    """Each second's counts have those of the targets, without their latencies."""
    seen: list[Measured] = []
    async with serving(answering(OK)) as url:
        config = LoadConfig(connections=1, rate=50, duration=1.5)
        await run_load(config, [f"{url}a", f"{url}b"], on_second=seen.append)
    assert [target.name for target in seen[0].targets] == ["GET /a", "GET /b"]
    assert sum(target.count for target in seen[0].targets) == seen[0].count > 0
    assert not any(target.response.count for target in seen[0].targets)


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_line() -> None:
    """And it is free again afterwards."""
    with serving_metrics(0, Exposition()) as address:
        port = int(address.split(":")[2].partition("/")[0])
        with (
            pytest.raises(EnvironmentFailure, match=f"--metrics: port {port}: Address already"),
            serving_metrics(port, Exposition()),
        ):
            pass
    with serving_metrics(port, Exposition()) as address:
        assert str(port) in address
