"""`crawler fetch`: one page for a person or a program, and an exit code for a script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from crawler.cli import main
from crawler.mock import MockWeb, Served, running
from tests.fetch.raw import RawServer
from tests.fetch.sites import says


@pytest.fixture(scope="module")
def web() -> Iterator[Served]:
    """A mock web whose robots.txt forbids a page."""
    with running(MockWeb(pages=12, robots=("User-agent: *", "Disallow: /page/7$"))) as served:
        yield served


def fetched(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code and what was printed."""
    code = main(["fetch", *words, "--allow-private"])
    return (code, *capfd.readouterr())


@pytest.mark.slow
def test_a_person_sees_everything(web: Served, capfd: pytest.CaptureFixture[str]) -> None:
    """The redirects, the headers, the timings, the verdict and the fields, in one screen."""
    code, said, complaint = fetched(capfd, f"{web.url}/redirect/1", "--parse", "inline")
    assert (code, complaint) == (0, "")
    lines = said.splitlines()
    assert lines[:2] == [f"302 {web.url}/redirect/1", f"200 {web.url}/page/0"]
    titles = [line for line in lines if line and not line.startswith((" ", "2", "3"))]
    assert titles == ["headers", "exchange", "robots.txt", "page", "links"]
    assert "  Server          mock" in lines
    assert "  allowed  no rule matches" in lines


@pytest.mark.slow
def test_a_program_gets_a_record(web: Served, capfd: pytest.CaptureFixture[str]) -> None:
    """The record of a crawl, with headers and verdict, and what the user's parser returned."""
    words = ("--json", "--parser", "tests.test_doors:words", "--parse", "inline")
    code, said, _ = fetched(capfd, f"{web.url}/page/1", *words)
    record: dict[str, Any] = json.loads(said)
    assert code == 0 and said.count("\n") == 1
    assert (record["outcome"], record["status"]) == ("page", 200)
    assert record["headers"]["server"] == ["mock"] and record["parsed"]["server"] == "mock"
    assert record["robots_txt"] == {"allowed": True, "reason": ""}


@pytest.mark.slow
@pytest.mark.parametrize("robots", ["obey", "ignore"])
def test_robots_txt_is_asked_for_once(capfd: pytest.CaptureFixture[str], robots: str) -> None:
    """Its verdict is that of the crawl's own question, or of one more where it asks none."""
    rules = b"User-agent: *\nAllow: /\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    site = {"/robots.txt": says(head % len(rules) + rules), "/": says(head % 2 + b"ok")}
    with RawServer(site) as server:
        code, said, _ = fetched(capfd, server.url(), "--robots", robots)
    assert code == 0 and "  allowed  robots.txt line 2: Allow: /" in said.splitlines()
    asked = [head.split()[1] for head in server.heads]
    assert sorted(asked) == [b"/", b"/robots.txt"]


@pytest.mark.slow
def test_the_body_is_printed_as_it_is(web: Served, capfd: pytest.CaptureFixture[str]) -> None:
    """Decoded and alone, also where robots.txt need not be obeyed."""
    code, said, _ = fetched(capfd, f"{web.url}/gzip/page/7", "--body", "--robots", "ignore")
    assert code == 0 and said.startswith("<!DOCTYPE html>")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "expected", "complaint"),
    [
        (("/page/7",), 1, "robots: robots.txt line 2: Disallow: /page/7$"),
        (("/status/404", "--json"), 1, "client_error: HTTP 404 Not Found"),
        (("/status/404", "--body"), 1, "client_error: HTTP 404 Not Found"),
        (("/page/1", "--json", "--body"), 2, "give one of them"),
        (("/page/1", "--timeout", "never"), 2, "--timeout"),
        (("/page/1", "--extract", "nothing"), 2, "no extractor 'nothing' is installed"),
        ((":99999/",), 2, "not a valid URL"),
    ],
)
def test_what_went_wrong_is_one_line(
    web: Served,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    expected: int,
    complaint: str,
) -> None:
    """And the exit code tells a page that failed from a command that cannot work."""
    code, said, complaints = fetched(capfd, web.url + words[0], *words[1:])
    assert code == expected and complaint in complaints and complaints.count("\n") == 1
    if "--json" in words and expected == 1:
        assert json.loads(said)["outcome"] == "failed"
    if words == ("/page/7",):
        assert "  disallowed  robots.txt line 2: Disallow: /page/7$" in said.splitlines()


@pytest.mark.slow
def test_what_makes_a_crawl_of_many_is_left_out(
    web: Served, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links and sitemaps are not followed, whatever the environment says."""
    monkeypatch.setenv("CRAWLER_FOLLOW", "true")
    monkeypatch.setenv("CRAWLER_SITEMAPS", "true")
    code, said, _ = fetched(capfd, web.url, "--json")
    assert code == 0 and json.loads(said)["depth"] == 0
