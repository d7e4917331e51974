"""`crawler retry`: what is crawled again, with which options, and what its output holds then."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crawler.cli import crawl_run
from crawler.cli.app import run
from crawler.cli.crawl_run import Order, open_crawl
from crawler.engine.plugins import Plugins
from crawler.engine.reopening import Reopening
from crawler.engine.retried_requests import RetriedRequests
from crawler.model.command_config import CommandConfig
from crawler.model.document import RawResponse
from crawler.model.outcome import Exchange, Failed, Fetched, Kind, Received
from crawler.model.request import Request
from crawler.store.journal.resumption import Complete
from tests.crash.crawl import unpacked
from tests.unmannered import MANNERS_OFF

PAGES = 30


class FlakySite:
    """Pages that link on; every third cannot be connected to while it is `down`, some never are."""

    def __init__(self) -> None:
        self.down = True
        self.asked: list[Request] = []

    def fetch(self, request: Request) -> Fetched:
        self.asked.append(request)
        href = request.url.href
        number = int(href.rpartition("/")[2] or 0)
        if number % 7 == 6:
            return Failed(request=request, kind=Kind.TLS, reason="certificate has expired")
        if number % 3 == 2 and self.down:
            return Failed(request=request, kind=Kind.CONNECT, reason="nothing listens")
        links = "".join(f'<a href="/page/{n}">x</a>' for n in (2 * number + 1, 2 * number + 2))
        body = links.encode() if number < PAGES // 2 else b"<p>"
        response = RawResponse(url=href, status=200, content_type="text/html", body=body)
        exchange = Exchange(status=200, body_bytes=4, wire_bytes=4, total=0.01)
        return Received(request=request, exchange=exchange, response=response)


class Crawled:
    """A crawl of the site into an output, and retries of it."""

    def __init__(self, folder: Path, form: str) -> None:
        self.site = FlakySite()
        self.list = folder / "list.txt"
        self.output = folder / f"out.{form}"
        urls = [f"http://a.test/page/{n}" for n in range(PAGES)]
        self.list.write_text("\n".join((*urls, "http://no url/", urls[3])))

    def crawl(self, seeds: tuple[str, ...] = (), **options: object) -> int:
        config = CommandConfig(**dict(OPTIONS, **options))
        inputs = [] if seeds else [str(self.list)]
        order = Order(config=config, seeds=seeds, inputs=inputs, output=str(self.output))
        return crawl_run.run(order, partial(open_crawl, plugins=Plugins(fetcher=self.site)))

    def records(self) -> dict[str, dict[str, Any]]:
        paths = sorted(self.output.iterdir()) if self.output.is_dir() else [self.output]
        records = [
            json.loads(line) for path in paths for line in unpacked(path.read_bytes()).splitlines()
        ]
        found = {record["url"]: record for record in records}
        assert len(found) == len(records), "a URL has two records"
        return found


OPTIONS = dict(
    MANNERS_OFF, parse="inline", quiet=True, backoff=0, retries=0, loop="asyncio", breaker=0
)


@pytest.fixture
def crawled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Crawled]:
    def made(form: str = "jsonl") -> Crawled:
        found = Crawled(tmp_path, form)
        opened = partial(open_crawl, plugins=Plugins(fetcher=found.site))
        monkeypatch.setattr(crawl_run, "open_crawl", opened)
        return found

    return made


Make = Callable[..., Crawled]


def kinds(crawled: Crawled) -> dict[str | None, int]:
    found: dict[str | None, int] = {}
    for record in crawled.records().values():
        found[record["kind"]] = found.get(record["kind"], 0) + 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_records_of_failures_that_may_pass_are_replaced(crawled: Make, form: str) -> None:
    """Those and no others are crawled again; each URL has one record, and the receipt fits it."""
    made = crawled(form)
    assert made.crawl(keep=("all",)) == 0
    before = made.records()
    assert kinds(made) == {None: 17, "connect": 9, "tls": 4, "invalid_url": 1}
    made.site.down, made.site.asked = False, []
    assert run(["retry", str(made.output), "--quiet"]) == 0
    assert {r.url.href for r in made.site.asked} == {
        url for url, record in before.items() if record["kind"] == "connect"
    }
    after = made.records()
    assert after.keys() == before.keys()
    assert kinds(made) == {None: 26, "tls": 4, "invalid_url": 1}
    assert all(after[url]["source"] == before[url]["source"] for url in before)
    assert not made.output.with_name(f"{made.output.name}.retry").exists()
    with pytest.raises(Complete, match="31 records for 32 read"):
        made.crawl(keep=("all",))


@pytest.mark.slow
def test_what_a_retry_finds_joins_a_crawl_that_follows_links(crawled: Make) -> None:
    """A page that failed leads on once it is there; depth and origin are as they were."""
    made = crawled()
    made.crawl(seeds=("http://a.test/page/0",), follow=True, depth=0)
    before = made.records()
    made.site.down = False
    assert run(["retry", str(made.output), "--quiet"]) == 0
    after = made.records()
    assert len(after) > len(before) and before.keys() < after.keys()
    assert all(record["kind"] in (None, "tls") for record in after.values())
    for url, record in before.items():
        assert (after[url]["depth"], after[url]["found_on"]) == (
            record["depth"],
            record["found_on"],
        )
    receipt = json.loads(made.output.with_name("out.jsonl.receipt.json").read_bytes())
    assert receipt["read"] + receipt["found"] == receipt["records"] == len(after)
    with pytest.raises(Complete):
        made.crawl(seeds=("http://a.test/page/0",), follow=True, depth=0)


@pytest.mark.slow
def test_the_options_are_those_of_the_crawl_and_flags_go_before_them(crawled: Make) -> None:
    """Neither has to be said again; secrets are not kept."""
    made = crawled()
    made.crawl(fields=("url", "kind", "attempts"), header=("Cookie: secret=1",))
    receipt = made.output.with_name("out.jsonl.receipt.json").read_text()
    assert "secret" not in receipt and json.loads(receipt)["given"]["retries"] == 0
    assert run(["retry", str(made.output), "--quiet", "--retries", "2"]) == 1  # none was fetched
    found = made.records().values()
    assert all(record.keys() == {"url", "kind", "attempts"} for record in found)
    assert {record["attempts"] for record in found if record["kind"] == "connect"} == {3}


@pytest.mark.slow
def test_a_directory_of_parts_is_retried_as_a_whole(crawled: Make, tmp_path: Path) -> None:
    """Only parts with such records are written anew, and what is new joins one of them."""
    made = crawled()
    made.crawl()
    lines = made.output.read_bytes().splitlines(keepends=True)
    made.output = tmp_path / "out"
    made.output.mkdir()
    good = [line for line in lines if b'"connect"' not in line]
    bad = [line for line in lines if b'"connect"' in line]
    for number, part in enumerate((good[:9], bad[:4], good[9:] + bad[4:])):
        (made.output / f"part-{number:05}.jsonl").write_bytes(b"".join(part))
    kept = (made.output / "part-00000.jsonl").stat().st_ino
    made.site.down = False
    options = [f"--{name.replace('_', '-')}={value}" for name, value in WORDS.items()]
    assert run(["retry", str(made.output), "--quiet", "--allow-private", *options]) == 0
    assert len(made.records()) == len(lines) and kinds(made)[None] == 26
    assert (made.output / "part-00000.jsonl").stat().st_ino == kept


WORDS = {"robots": "ignore", "delay": 0, "ip_delay": 0, "per_ip": 0, "parse": "inline"}


@pytest.mark.slow
def test_nothing_to_retry_is_said(crawled: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and nothing is written."""
    made = crawled()
    made.site.down = False
    made.crawl()
    before = made.output.stat()
    assert run(["retry", str(made.output)]) == 0
    assert "nothing to retry" in capsys.readouterr().err
    assert made.output.stat() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("missing", "no such file"),
        ("unfinished", "has not ended; run the same command again first"),
        ("fields", "lack url or kind"),
        ("torn", "ends in the middle of a record"),
    ],
)
def test_what_cannot_be_retried_is_refused_and_left_as_it_is(
    crawled: Make, capsys: pytest.CaptureFixture[str], case: str, said: str
) -> None:
    """One line says why and what to do."""
    made = crawled()
    made.crawl(fields=("url",) if case == "fields" else ())
    match case:
        case "missing":
            made.output.unlink()
        case "torn":
            made.output.write_bytes(made.output.read_bytes()[:-5])
        case "unfinished":
            state = made.output.with_name("out.jsonl.state")
            state.mkdir()
            (state / "run.json").write_text("{}\n")
            (state / "journal").touch()
            (state / "run.json").write_text('{"format":1}')
    before = made.output.read_bytes() if made.output.exists() else b""
    capsys.readouterr()
    assert run(["retry", str(made.output)]) in (2, 3)
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert not before or made.output.read_bytes() == before


@pytest.mark.slow
def test_an_output_that_has_changed_since_is_not_replaced(
    crawled: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """A retry that was stopped does not overwrite what another crawl has written meanwhile."""
    made = crawled()
    made.crawl()
    reopening = Reopening(str(made.output))
    config = replace_options(reopening)
    requests = RetriedRequests((), config)
    reopening.open(reopening.passing(requests), requests, config)
    made.site.down = False
    made.crawl(overwrite=True)
    fresh = made.output.read_bytes()
    assert run(["retry", str(made.output), "--quiet"]) == 2
    assert "has changed since its retry was begun" in capsys.readouterr().err
    assert made.output.read_bytes() == fresh
    assert run(["retry", str(made.output), "--quiet"]) == 0


def replace_options(reopening: Reopening) -> CommandConfig:
    earlier = reopening.earlier()
    return CommandConfig.of({**earlier["options"], **earlier["given"], "sitemaps": False})
