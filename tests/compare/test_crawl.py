"""`crawl`: what its arms do and have to agree on, what it plans, and that it can find otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any, Self

import pytest
from msgspec import structs

from crawler.compare.crawling import CrawlTally, Lags, Portions, crawl_warm, line
from crawler.compare.experiments.crawl import EXPERIMENT
from crawler.compare.experiments.crawl_plan import in_flight, processes, read_list, served
from crawler.compare.experiments.crawl_work import work
from crawler.compare.fetching import bare
from crawler.compare.runner import run_job
from crawler.mock import MockWeb, Served, running
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.outcome import Kind, Skipped
from tests.compare.made import found, outcome, setting
from tests.compare.observing import FakeWatch, names, observed
from tests.patience import PATIENCE

SMALL = {"pages": 12, "warm_up": 4, "in_flight": 4, "processes": 1}
ENGINES = [("async", "uvloop"), ("async", "asyncio"), ("threaded", "uvloop")]
UVLOOP, THREADED = "async uvloop, inline", "threaded, inline"
SPLIT = "async uvloop, inline, 2 processes"
RAW = "async uvloop, raw client, inline"


@pytest.fixture(scope="module")
def web() -> Iterator[Served]:
    with running(MockWeb(pages=20, page_bytes=2_000, links=5)) as served:
        yield served


def parameters(
    web: Served, engine: str = "async", loop: str = "uvloop", parse: str = "inline"
) -> dict[str, Any]:
    options = {"engine": engine, "loop": loop, "parse": parse, "parse_workers": 1}
    return {**SMALL, "server": web.url, "options": options}


def skipped(url: str, kind: Kind = Kind.ROBOTS) -> Skipped:
    return Skipped(url=url, input=url, kind=kind, reason="")


# -- the work


@pytest.mark.slow
def test_engines_and_executors_do_the_same(web: Served) -> None:
    """Engines, clients and executors end with the same records, and none failed."""
    done = [
        work(parameters(web, engine, loop, parse), FakeWatch())
        for engine, loop in ENGINES
        for parse in ("inline", "thread")
    ]
    raw = parameters(web)
    raw["options"]["client"] = "raw"
    done.append(work(raw, FakeWatch()))
    assert len({each.checksum for each in done}) == 1
    assert {each.errors for each in done} == {0}
    assert {each.notes["pages"] for each in done} == {SMALL["pages"]}


@pytest.mark.slow
def test_figures_are_of_the_measured_pages(web: Served) -> None:
    """Rate and CPU a page count the pages after the warm-up, over what the watch read."""
    figures = work(parameters(web), FakeWatch()).figures
    assert figures["rate"] == pytest.approx(12)
    assert figures["cpu_per_page"] == pytest.approx(0.5 / 12)


@pytest.mark.slow
def test_a_split_crawl_does_the_same_in_fresh_processes(web: Served) -> None:
    """Two processes with half of the URLs each end with the records of one; a real turn."""
    job = {
        "module": EXPERIMENT.module,
        "parameters": {**parameters(web), "processes": 2},
        "cores": [],
        "slowdown": 0.0,
    }
    run = run_job(setting().interpreter, job, 60, 0)
    assert run["failure"] == ""
    assert run["checksum"] == work(parameters(web), FakeWatch()).checksum
    assert run["notes"]["pages"] == SMALL["pages"]
    assert run["reading"]["children"] >= 0 and run["figures"]["rate"] > 0


@pytest.mark.slow
def test_a_page_that_is_missing_is_another_checksum(web: Served) -> None:
    """What did not become a page is an error, and changes the checksum."""
    good = work(parameters(web), FakeWatch())
    bad = work({**parameters(web), "pages": 13}, FakeWatch())  # /page/20 is not there
    assert bad.errors == 1
    assert bad.checksum != good.checksum


@pytest.mark.slow
def test_a_list_is_crawled_whole(web: Served, tmp_path: Path) -> None:
    """Of the user's list each entry has an outcome, and a failure is one, no error."""
    urls = tmp_path / "urls.txt"
    urls.write_text(f"{web.url}/page/1\n{web.url}/status/404\nno url\n")
    (first, *others) = EXPERIMENT.arms(setting(urls=str(urls)))
    done = [work(arm.parameters, FakeWatch()) for arm in (first, *others)]
    assert {each.errors for each in done} == {0}
    assert [each.notes["failed"] for each in done] == [2, 2, 2, 2]
    assert len({each.checksum for each in done}) == 1


def test_a_crawl_that_fails_ends(web: Served) -> None:
    """A watch that raises ends the crawl and comes through; nobody waits for ever."""

    class Broken(FakeWatch):
        def __enter__(self) -> Self:
            raise OSError("no watch")

    before = set(threading.enumerate())
    with pytest.raises(OSError, match="no watch"):
        crawl_warm(bare(2), [[f"{web.url}/page/1"]], [f"{web.url}/page/2"], Broken())
    left = set(threading.enumerate()) - before
    assert not [t for t in left if t.name in ("crawl", "lag")]


# -- source, sink and lag


def test_portions_wait_until_they_are_let_in() -> None:
    """A portion is handed out only after it was let in; the list ends after the last."""
    source = Portions(bare(1))
    source.put(["http://a/"])
    assert [seed.input for seed in source.read(9)] == ["http://a/"]
    source.put(["http://b/"])
    assert [seed.input for seed in source.read(9)] == ["http://b/"]
    source.put(None)
    assert source.read(9) == []


def test_a_closed_source_ends_for_one_who_waits() -> None:
    """Closing lets go of a reader that waits for a portion."""
    source = Portions(bare(1))
    read: list[object] = []
    reader = threading.Thread(target=lambda: read.append(source.read(9)))
    reader.start()
    source.close()
    reader.join(PATIENCE)
    assert read == [[]]


def test_the_checksum_has_no_order_but_every_record() -> None:
    """Records in another order are the same; another kind, a missing or doubled one is not."""
    a, b = skipped("http://a/"), skipped("http://b/")

    def total(*finals: Skipped) -> int:
        tally = CrawlTally()
        for final in finals:
            tally.put(final)
        return tally.checksum

    other = skipped("http://b/", Kind.TRAP)
    sums = {total(a, b), total(a), total(a, b, b), total(a, other)}
    assert total(b, a) == total(a, b)
    assert len(sums) == 4


def test_a_tally_that_gets_too_few_says_so() -> None:
    """When the crawl ends early, waiting for its outcomes fails."""
    tally = CrawlTally()
    tally.await_next(2)
    tally.put(skipped("http://a/"))
    tally.end()
    with pytest.raises(RuntimeError, match="1 of 2"):
        tally.wait()


def test_what_is_compared_of_a_record() -> None:
    """URL, outcome and kind are always in it."""
    assert line(skipped("http://a/")) == b"http://a/ Skipped robots"


def test_only_the_lag_within_the_time_counts() -> None:
    """Looks that were due outside of what is measured are left out, and none is negative."""
    lags = Lags()
    for due, ran in ((1.0, 1.5), (2.0, 2.25), (3.0, 2.9), (4.0, 9.0)):
        lags._add(due, ran)
    assert lags.between(2.0, 3.0) == [0.25, 0.0]


# -- the plan


def test_arms_are_equal_in_flight_whatever_the_cores() -> None:
    """The shares of a split crawl have as many in flight together as every other arm."""
    for cores in (1, 2, 3, 7, 64):
        planned = setting(cores=cores)
        assert in_flight(planned) % processes(planned) == 0
        arms = EXPERIMENT.arms(planned)
        assert {arm.parameters["in_flight"] for arm in arms} == {in_flight(planned)}
        assert served(planned) == 700 + 2 * in_flight(planned)


def test_interpreters_are_planned_where_there_are_any() -> None:
    """Parsing in interpreters is an arm of every engine on 3.14, and of none before."""
    old, new = (names(EXPERIMENT.arms(setting(version=v))) for v in ("3.13.1", "3.14.0"))
    assert len(new - old) == 3
    assert all("interpreter" in name for name in new - old)


@pytest.mark.slow
def test_interpreters_that_do_not_load_the_parser_are_left_out_and_that_is_told() -> None:
    """No arm and no comparison of them, and the reason is in the report."""
    plain = setting(version="3.14.0")
    refusing = replace(plain.interpreter, parser_refusal="module ada does not load")
    planned = replace(plain, interpreter=refusing)
    assert names(EXPERIMENT.arms(planned)) == names(EXPERIMENT.arms(setting()))
    assert not [e for e in EXPERIMENT.contrasts(planned) if "interpreter" in e.other]
    claims = found(EXPERIMENT, observed(EXPERIMENT, planned, {}))
    assert claims["the parser runs in subinterpreters, too"].text.endswith("does not load")


def test_every_contrast_has_its_arms() -> None:
    """What is compared is run, with one core and several, with and without interpreters."""
    for cores in (1, 2, 16):
        for version in ("3.11.0", "3.14.0"):
            planned = setting(cores=cores, version=version)
            arms = names(EXPERIMENT.arms(planned))
            for each in EXPERIMENT.contrasts(planned):
                assert {each.base, each.other} <= arms


@pytest.mark.slow
def test_one_core_predicts_nothing_of_processes() -> None:
    """With one core nothing is expected of a split or of parser pools, and that is said."""
    planned = setting(cores=1)
    expected = {each.claim for each in EXPERIMENT.contrasts(planned) if each.expect}
    assert not [claim for claim in expected if "processes" in claim or "parser" in claim]
    assert (
        "one core"
        in found(EXPERIMENT, observed(EXPERIMENT, planned, {}))["work is split over cores"].text
    )


def test_without_the_lock_threads_are_not_predicted_to_lose() -> None:
    """On a free-threaded build the loop is not expected to be ahead of threads."""
    threads = [e for e in EXPERIMENT.contrasts(setting(gil=False)) if e.base == THREADED]
    assert threads
    assert {each.expect for each in threads} == {""}


def test_text_is_work_for_processes() -> None:
    """With `--text` every arm extracts it, and a pool of processes is expected to gain."""
    planned = replace(setting(), text=True)
    assert all(arm.parameters["options"]["text"] for arm in EXPERIMENT.arms(planned))
    expected = {each.claim: each.expect for each in EXPERIMENT.contrasts(planned)}
    assert expected["the parser in a pool (process) beside the loop, against inline"] == "faster"
    assert "text" not in EXPERIMENT.arms(setting())[0].parameters["options"]


def test_a_list_is_read_before_anything_is_run(tmp_path: Path) -> None:
    """A list that is missing, empty or standard input is refused when arms are planned."""
    (tmp_path / "empty").write_text("\n")
    for path, error in (("missing", EnvironmentFailure), ("empty", ConfigurationError)):
        with pytest.raises(error):
            EXPERIMENT.arms(setting(urls=str(tmp_path / path)))
    with pytest.raises(ConfigurationError, match="standard input"):
        EXPERIMENT.arms(setting(urls="-"))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("http://127.0.0.9:81/", True),
        ("http://[::1]/", True),
        ("http://localhost/", True),
        ("http://localhost.example/", False),
        ("http://10.0.0.1/", False),
        ("http://example.com/", False),
    ],
)
def test_manners_are_left_out_on_loopback_alone(host: str, loopback: bool, tmp_path: Path) -> None:
    """One host that is not on this machine, and the whole list has the default manners."""
    urls = tmp_path / "urls"
    urls.write_text(f"http://127.0.0.1/\n{host}\n")
    assert read_list(str(urls)) == (2, loopback)
    arms = EXPERIMENT.arms(setting(urls=str(urls)))
    assert {arm.parameters["bare"] for arm in arms} == {loopback}


# -- what is found

GOOD = {
    UVLOOP: {"rate": 2.0, "cpu_per_page": 0.5, "pss": 0.5, "lag_p99": 0.04},
    THREADED: {"rate": 1.0, "cpu_per_page": 1.0},
    "async asyncio, inline": {"rate": 1.9},
    RAW: {"cpu_per_page": 0.3},
    "async uvloop, thread": {"rate": 2.1},
    "async uvloop, process": {"rate": 1.5, "lag_p99": 0.005},
    SPLIT: {"rate": 3.0, "pss": 1.0},
    "threaded, inline, 2 processes": {"rate": 1.5},
}


@pytest.mark.slow
def test_predictions_hold_when_they_come_true() -> None:
    """With figures as predicted every prediction is as predicted."""
    outcomes = {
        f.outcome for f in found(EXPERIMENT, observed(EXPERIMENT, setting(), GOOD)).values()
    }
    assert outcomes == {"as predicted", "told"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "figure", "value", "claim"),
    [
        (UVLOOP, "rate", 0.5, "more pages a second than threads"),
        (UVLOOP, "cpu_per_page", 2.0, "less CPU time a page"),
        (RAW, "cpu_per_page", 0.6, "costs the raw client less CPU"),
        (UVLOOP, "rate", 1.0, "not slower than asyncio"),
        (SPLIT, "rate", 1.9, "2 processes of async uvloop"),
        ("threaded, inline, 2 processes", "rate", 1.0, "2 processes of threaded"),
        (SPLIT, "pss", 0.4, "needs less memory"),
        ("async uvloop, process", "lag_p99", 0.05, "lag is lower"),
        ("async uvloop, thread", "rate", 1.5, "parser threads beside the loop"),
    ],
)
def test_the_opposite_is_found(arm: str, figure: str, value: float, claim: str) -> None:
    """Each prediction can fail: the opposite figures are reported as otherwise."""
    values = {**GOOD, arm: {**GOOD[arm], figure: value}}
    assert outcome(found(EXPERIMENT, observed(EXPERIMENT, setting(), values)), claim) == "otherwise"


@pytest.mark.slow
def test_other_records_void_the_comparison() -> None:
    """An arm whose records differ is compared with nothing."""
    seen = observed(EXPERIMENT, setting(), GOOD, {SPLIT: "other"})
    all_found = found(EXPERIMENT, seen)
    assert outcome(all_found, "2 processes of async uvloop") == "invalid"


def test_charts_bear_missing_arms() -> None:
    """Without any turn there are charts with nothing in them, and with turns a bar each."""
    seen = observed(EXPERIMENT, setting(), GOOD)
    charts = EXPERIMENT.charts(seen)
    assert charts[0].title == "Pages/s"
    assert charts[0].values["async uvloop"][-1] == pytest.approx(3.0, rel=0.01)
    (rates, *_) = EXPERIMENT.charts(structs.replace(seen, runs=[], arms=[]))
    assert all(isnan(value) for values in rates.values.values() for value in values)
