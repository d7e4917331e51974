"""Every fault of the mock web, crawled by both engines: one record each, and nobody else harmed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.mock import MockWeb, Served, running
from crawler.mock.faults import FAULTS
from crawler.mock.server.certificates import TLS_FAULTS
from crawler.model.outcome import Failed, Kind, Page, Skipped
from tests.patience import PATIENCE

from .test_web import ENGINES, PAIR, crawled

# The client is told to go no further than this, whatever it is sent.
MAX_BODY = 1_000_000

# What each fault ends as with --strict; None is a page. The names are split at blanks.
OUTCOMES: dict[Kind | None, str] = {
    None: """
        reset-after-body close-idle line-ends-lf http-1.0 status-no-reason
        continue-first early-hints-first header-folded header-non-ascii header-escapes header-64k
        cookies-huge chunk-extension chunk-size-zeros status-205-body head-with-body gzip-members
        gzip-garbage gzip-empty deflate-raw coding-undeclared coding-stacked redirect-body refresh
        refresh-cookie refresh-header refresh-meta refresh-script
        coding-unknown coding-charset coding-none coding-list type-no-semicolon type-list
        charset-in-note
        redirect-cookie redirect-cookie-two
        redirect-many redirect-long redirect-non-ascii redirect-spaces redirect-fragment
        charset-lie charset-unknown charset-odd charset-empty charset-bom-conflict
        charset-meta-conflict charset-utf-7 charset-broken type-pdf type-html type-broken
        type-missing type-long body-empty html-nul html-deep html-deep-format html-tables
        html-attributes html-unclosed html-cut-title html-cut-script html-escapes html-bidi
        html-references html-bases html-schemes html-bad-links
        blank-lines-first header-fold-first http-9.9 http-2 header-no-colon header-no-name
        header-bad-name headers-10000 body-long length-doubled length-list length-and-chunked
        transfer-twice status-204-body extra-bytes extra-response http-2.0 http-1.2 http-old
        http-lower-case header-no-colon-folded headers-300 length-three length-blanks length-colon
        length-folded length-bad-and-chunked transfer-blanks transfer-list transfer-identity
        transfer-gzip chunk-line-ends-lf chunk-trailers status-204-chunked status-204-length
        extra-line-end extra-hints extra-after-chunks type-multipart type-multipart-unbounded
    """,
    Kind.DISCONNECTED: """
        reset reset-in-head reset-after-head reset-mid-body empty-reply half-status half-head
        close-after-head length-unpacked close-early chunk-unfinished chunk-no-last chunk-cut-last
    """,
    Kind.PROTOCOL: """
        malformed http-0.9 icy status-four-digits status-two-digits status-zero
        status-letters status-missing status-huge-reason informational-many informational-endless
        switching-unasked header-nul header-bare-cr huge-header header-endless headers-endless
        length-conflicting length-negative length-plus length-word length-empty
        length-overflow length-digits transfer-unknown transfer-unknown-chunked
        transfer-chunked-first bad-chunk chunk-negative chunk-prefixed
        chunk-overflow chunk-no-end-line chunk-too-long chunk-extension-huge
        chunk-extension-endless trailers-endless rtsp ssh binary http-2-frames length-hexadecimal
    """,
    Kind.ENCODING: """
        coding-many bad-gzip cut-gzip gzip-crc gzip-size bad-br cut-br bad-zstd cut-zstd
        zstd-window bad-deflate coding-wrong coding-swapped
        gzip-no-trailer cut-deflate coding-unknown-packed coding-compress
    """,
    Kind.TOO_LARGE: """
        endless-body endless-until-close length-huge gzip-bomb gzip-nested br-bomb zstd-bomb
        body-blank html-links html-line html-attribute html-long-title html-entities html-long-link
    """,
    Kind.REDIRECT: """
        redirect-self redirect-growing redirect-deeper redirect-escapes redirect-chain redirect-two
        redirect-cookie-foreign
        redirect-cookie-counts redirect-two-back redirect-no-location redirect-empty redirect-blank
        redirect-broken
        redirect-bad-port redirect-no-host redirect-file redirect-ftp redirect-javascript
        redirect-data redirect-gopher
    """,
    Kind.SERVER_ERROR: "status-600 status-999",
    Kind.CLIENT_ERROR: "redirect-300 redirect-304 redirect-399 status-304-body status-304-chunked",
    Kind.CONNECT: "redirect-port redirect-credentials",
    Kind.TIMEOUT: """
        sound-endless slow-head slow-body never deaf stall-in-head stall-after-head stall chunk-huge
    """,
}
STRICT = {name: kind for kind, names in OUTCOMES.items() for name in names.split()}

# What came of these before they were cut is a page by default, and marked.
CUT = """
    length-unpacked gzip-no-trailer cut-deflate
    close-early chunk-unfinished chunk-no-last chunk-cut-last reset-mid-body cut-gzip cut-br
    gzip-bomb gzip-nested br-bomb zstd-bomb endless-body endless-until-close
    body-blank html-links html-line html-attribute html-long-title html-entities html-long-link
"""

# So are these, whose time is up; with what else does not end by itself.
LATE = ("stall", "chunk-huge", "length-huge")

EXPECTED = STRICT | dict.fromkeys([*CUT.split(), *LATE])
ENDLESS = {*LATE, *(name for name, kind in STRICT.items() if kind is Kind.TIMEOUT)}

# They lead out of this machine: crawled without following.
ELSEWHERE = ("redirect-private", "redirect-metadata")

# Spoils its connection for whoever comes next, and nobody can tell beforehand.
RUDE = "stall-after-body"

# What would fill a memory without bounds.
VAST = [
    *(name for name in FAULTS if "endless" in name or "bomb" in name or "huge" in name),
    "gzip-nested", "html-links", "html-line", "html-attribute", "headers-10000",
]  # fmt: skip


@pytest.fixture(scope="module")
def web() -> Iterator[Served]:
    with running(MockWeb()) as served:
        yield served


@pytest.fixture(params=PAIR)
def engine(request: pytest.FixtureRequest) -> dict[str, object]:
    return dict(ENGINES[request.param])


def outcomes(finals: list[Page | Failed | Skipped]) -> dict[str, Kind | None]:
    """The kind by URL; fails where a URL has two records or a reason is no plain line."""
    found: dict[str, Kind | None] = {}
    for final in finals:
        assert final.url not in found
        found[final.url] = None if isinstance(final, Page) else final.kind
        if not isinstance(final, Page):
            assert final.kind is not Kind.INTERNAL
            assert final.reason.isprintable()
            assert len(final.reason) <= 200
            assert "b'" not in final.reason
    return found


def test_the_table_is_whole() -> None:
    """Every fault of the catalogue is expected to end in one way."""
    assert sorted([*EXPECTED, *ELSEWHERE, RUDE]) == sorted(FAULTS)
    assert sum(len(names.split()) for names in OUTCOMES.values()) == len(STRICT)
    assert all(STRICT[name] for name in (*CUT.split(), *LATE))


@pytest.mark.slow
def test_one_record_each_and_the_next_page_unharmed(web: Served, engine: dict[str, object]) -> None:
    """One after the other on connections that are kept: after each fault the next page is right."""
    wanted: dict[str, Kind | None] = {}
    for number, (name, kind) in enumerate(EXPECTED.items()):
        if name not in ENDLESS:
            wanted[f"{web.url}/fault/{name}/page/0"] = kind
            wanted[f"{web.url}/page/{number + 1}"] = None
    finals = crawled(list(wanted), **_patient(engine, concurrency=1, per_host=1))
    assert outcomes(finals) == wanted
    for final in finals:
        number_text = final.url.partition("/page/")[2]
        if "/fault/" not in final.url:
            assert isinstance(final, Page)
            assert (final.title or "").startswith(f"Page {number_text}:")
            assert final.exchange.body_bytes == web.options.page_bytes
        elif isinstance(final, Page):
            assert final.truncated is (final.url.split("/")[4] in CUT.split())


@pytest.mark.slow
def test_all_faults_at_once(web: Served, engine: dict[str, object]) -> None:
    """With whole pages alone wanted, none changes what another ends as, and the crawl ends."""
    wanted = {
        f"{web.url}/fault/{name}": kind for name, kind in STRICT.items() if kind is not Kind.TIMEOUT
    }
    finals = crawled(list(wanted), **_patient(engine, concurrency=24, per_host=24, strict=True))
    assert outcomes(finals) == wanted


@pytest.mark.slow
def test_the_deadline_ends_what_never_ends(web: Served, engine: dict[str, object]) -> None:
    """Silence, drips and floods last as long as an exchange may and no longer."""
    wanted = {f"{web.url}/fault/{name}": EXPECTED[name] for name in sorted(ENDLESS)}
    finals = crawled(list(wanted), timeout=2.0, max_body=MAX_BODY, **engine)
    found = outcomes(finals)
    drips = (
        f"{web.url}/fault/slow-body"  # a byte a second: none in time, if the machine is not busy
    )
    assert found.pop(drips) in (Kind.TIMEOUT, None)
    del wanted[drips]
    assert found == wanted
    for final in finals:
        assert isinstance(final, Page | Failed)
        assert final.exchange is not None
        assert final.exchange.truncated is isinstance(final, Page)
        assert final.exchange.total < PATIENCE


@pytest.mark.slow
def test_a_retry_leaves_a_connection_that_went_silent(
    web: Served, engine: dict[str, object]
) -> None:
    """A server that answers once and never again costs the next page an attempt, not its record."""
    urls = [f"{web.url}/fault/{RUDE}", f"{web.url}/page/1"]
    alone = {"concurrency": 1, "per_host": 1, "timeout": 2.0}
    finals = crawled(urls, **engine, **alone, retries=1, backoff=0.001)
    assert outcomes(finals) == dict.fromkeys(urls)
    assert [final.request.attempts for final in finals if isinstance(final, Page)] == [1, 2]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_redirects_that_lead_away(web: Served, engine: dict[str, object], name: str) -> None:
    """A Location with a private address is a redirect like any other, seen but not followed."""
    (final,) = crawled([f"{web.url}/fault/{name}"], max_redirects=0, **engine)
    assert isinstance(final, Failed)
    assert final.kind is Kind.REDIRECT


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_guard_stops_redirects_that_lead_away(
    web: Served, engine: dict[str, object], name: str
) -> None:
    """With loopback alone open, a redirect to another private address ends there."""
    opened = {"allow_private": False, "allow_network": ("127.0.0.0/8",)}
    (final,) = crawled([f"{web.url}/fault/{name}"], **engine | opened)
    assert isinstance(final, Failed)
    assert (final.kind, final.exchange and final.exchange.status) == (Kind.BLOCKED_ADDRESS, None)


@pytest.mark.slow
def test_memory_is_bounded(web: Served, engine: dict[str, object]) -> None:
    """Bombs and floods cost a few times the cap, whatever they would unpack to.

    What a parser makes of their beginnings has bounds of its own.
    """
    urls = [f"{web.url}/fault/{name}" for name in VAST]
    options = _patient(engine, concurrency=1, per_host=1) | {"timeout": 0.5, "parse": "none"}
    crawled(urls, **options)  # the server has made its bombs now
    tracemalloc.start()
    try:
        finals = crawled(urls, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(finals) == len(urls)
    assert peak < 16 * MAX_BODY


@pytest.mark.slow
def test_heavy_pages_are_parsed(web: Served, engine: dict[str, object]) -> None:
    """With room for them, 10 MB of links and megabytes in one line are pages, 10,000 links kept."""
    names = ("html-links", "html-line", "html-attribute", "html-long-title", "html-long-link")
    urls = [f"{web.url}/fault/{name}" for name in names]
    finals = crawled(urls, **_patient(engine) | {"max_body": 16_000_000})
    links = {final.url: len(final.links) for final in finals if isinstance(final, Page)}
    assert sorted(links) == sorted(urls)
    assert links[urls[0]] == 10_000


# Which certificates a client refuses, and what it makes of no handshake at all.
TLS_EXPECTED = {
    "expired": Kind.TLS,
    "not-yet-valid": Kind.TLS,
    "wrong-host": Kind.TLS,
    "self-signed": Kind.TLS,
    "unknown-authority": Kind.TLS,
    "incomplete": Kind.TLS,
    "plain-http": Kind.TLS,
    "handshake-garbage": Kind.TLS,
    "handshake-close": Kind.DISCONNECTED,
    "handshake-reset": Kind.DISCONNECTED,
    "handshake-silent": Kind.CONNECT_TIMEOUT,
}


@pytest.fixture(scope="module")
def secure() -> Iterator[Served]:
    with running(MockWeb(tls=True)) as served:
        yield served


@pytest.mark.slow
def test_tls_faults(
    secure: Served, engine: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who trusts the mock's authority gets its pages, and each broken TLS ends for its reason."""
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(secure.ca_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    wanted: dict[str, Kind | None] = {f"{secure.url}/page/{n}": None for n in range(10)}
    for name, text in TLS_FAULTS:
        address = text.partition(":")[0]
        wanted[f"https://{address}:{secure.port}/page/0"] = TLS_EXPECTED[name]
    options = _patient(engine) | {"connect_timeout": 2.0}
    assert outcomes(crawled(list(wanted), **options)) == wanted


def _patient(engine: dict[str, object], **options: object) -> dict[str, object]:
    """Long enough for all that ends by itself, on a machine that is busy."""
    return {**engine, "timeout": 20.0, "max_body": MAX_BODY, **options}
