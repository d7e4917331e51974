"""Pages as pure functions of their number, and what the graph answers."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections import Counter
from itertools import islice
from operator import ne
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.mock import MockWeb
from crawler.mock.faults import PREFIXES
from crawler.mock.graph.kind import FAULTS, PageKind
from crawler.mock.graph.node import Graph, Node, graph
from crawler.mock.graph.page_markup import MAX_BYTES, body, degree, links
from crawler.mock.graph.plain_paths import PATHS
from crawler.mock.graph.site import page_of_graph as answer
from crawler.mock.graph.web_layout import HUB_EVERY
from crawler.mock.graph.words import SECTIONS
from crawler.mock.judge.truth import Entry, entries, find, front, nodes
from crawler.mock.reply import Answer, Ask
from crawler.model.distribution import Distribution
from tests.mock.graph.walk import allowed, fetch, visit

WEB = MockWeb(seed=11, pages=4000, hosts=7, port=8080, faulty=0.05)
OPTIONS = st.builds(
    MockWeb,
    seed=st.integers(0, 2**40),
    pages=st.integers(1, 2_000_000),
    hosts=st.integers(1, 900),
    authority=st.sampled_from(["addresses", "ports", "names"]),
    port=st.sampled_from([80, 8080, 30_000]),
)


def _bytes(reply: Answer | None) -> tuple[object, ...]:
    assert reply is not None
    return reply.status, reply.headers, reply.body


def _sample(options: MockWeb, kind: PageKind, count: int = 20) -> list[Node]:
    return list(islice((node for node in nodes(options) if node.kind is kind), count))


@pytest.mark.slow
@given(OPTIONS, st.data())
def test_a_page_and_its_url_lead_to_each_other(options: MockWeb, data: st.DataObject) -> None:
    """From number to URL and back, in any web; two calls give the same bytes."""
    number = data.draw(st.integers(0, options.pages - 1))
    node = graph(options).page(number)
    entry = find(options, node.url)
    assert entry is not None and entry.url == node.url
    assert _bytes(fetch(options, node.url, 3)) == _bytes(fetch(options, node.url, 3))
    again = Graph(options).page(number)
    assert (again.url, again.kind, again.title) == (node.url, node.kind, node.title)


@pytest.mark.slow
@given(st.text(max_size=40))
def test_any_text_is_a_path_or_none(text: str) -> None:
    """Nothing that a client may ask for is an error."""
    reply = answer(Ask(target=f"/{text}", host=text), WEB)
    assert reply is None or text == ""
    find(WEB, text)


@pytest.mark.slow
def test_another_spelling_of_a_path_is_no_page() -> None:
    """Case, slashes, queries and leading zeros matter; the number alone does not make a page."""
    for node in _sample(WEB, PageKind.PLAIN, 200)[1:]:
        number = str(node.place.local)
        for target in (
            node.path.upper(), f"{node.path}/", f"{node.path}?", f"{node.path}?x=1",
            f"/{node.path}", node.path.replace(number, f"0{number}"), f"/news/x-{number}",
            f"{node.path}.print", node.path.replace(f"-{number}", f"-{WEB.pages + 1}"),
        ):  # fmt: skip
            assert answer(Ask(target=target, host="127.0.0.1:8080"), WEB) is None, target


def test_hosts_are_told_apart_and_strangers_are_host_zero() -> None:
    """The front page of each host is its own; an unknown Host field gets the first one's."""
    titles = [visit(WEB, front(WEB, host)).title for host in range(WEB.hosts)]
    assert len(set(titles)) == WEB.hosts
    stranger = answer(Ask(target="/", host="elsewhere.test"), WEB)
    assert _bytes(stranger) == _bytes(fetch(WEB, front(WEB, 0)))
    assert find(WEB, "http://elsewhere.test:8080/") is None


def test_find_reads_every_spelling_of_a_url() -> None:
    """URLs are canonicalised first; other schemes, hosts and credentials are no pages."""
    entry = next(e for e in entries(WEB) if "%C3" in e.url)
    host, path = entry.url.split("/", 3)[2], entry.url.split("/", 3)[3]
    assert find(WEB, f" HTTP://{host}/./{path}#top") == entry
    for url in (f"https://{host}/{path}", f"http://me@{host}/{path}", "mailto:a@b", "", "/"):
        assert find(WEB, url) is None


def test_paths_keep_clear_of_the_rest_of_the_catalogue() -> None:
    """No section is the name of a plain path, a prefix, a trap or anything in robots.txt."""
    taken = {*PATHS, *PREFIXES, "trap", "private", "members", "robots-hop"}
    assert not taken & set(SECTIONS)
    assert not any(section.startswith(("sitemap", "robots", "__")) for section in SECTIONS)


@pytest.mark.slow
def test_robots_forbid_exactly_the_disallowed_pages() -> None:
    """The default robots.txt and the truth agree on every page; exceptions are in use."""
    for entry in entries(WEB):
        assert entry.disallowed is not allowed(entry.url)
    paths = [node.path for node in nodes(WEB)]
    assert sum(path.startswith("/members/open/") for path in paths) > 50
    assert sum(path.endswith(".print") for path in paths) > 50


@pytest.mark.slow
def test_kinds_have_their_shares() -> None:
    """Of 20,000 pages each kind has the share that its option says, within a sixth."""
    options = MockWeb(pages=20_000, port=8080, faulty=0.02)
    kinds = Counter(node.kind for node in nodes(options))
    for kind, share in {
        PageKind.DISALLOWED: 0.05, PageKind.NOFOLLOW: 0.03, PageKind.NOINDEX: 0.03,
        PageKind.SITEMAP_ONLY: 0.03,
        PageKind.REDIRECT: 0.04, PageKind.ERROR: 0.03, PageKind.FLAKY: 0.01, PageKind.FAULTY: 0.02,
        PageKind.DUPLICATE: 0.04, PageKind.NEAR_DUPLICATE: 0.03, PageKind.FILE: 0.02,
    }.items():  # fmt: skip
        assert kinds[kind] / 20_000 == pytest.approx(share, rel=1 / 6)


def test_shares_of_nothing_leave_plain_pages() -> None:
    """With every share at 0 each page is plain and reachable."""
    shares = ("disallowed", "nofollow", "noindex", "sitemap_only", "redirects", "errors", "flaky",
              "faulty", "duplicates", "near_duplicates", "files")  # fmt: skip
    options = MockWeb.of({"pages": 500, **dict.fromkeys(shares, 0.0)})
    assert {entry.kind for entry in entries(options)} == {"plain"}


@pytest.mark.slow
def test_duplicates_have_text_and_title_of_their_hub() -> None:
    """A duplicate is its cluster's text exactly; a near-duplicate differs in one to three words."""
    for node in _sample(WEB, PageKind.DUPLICATE):
        assert body(node) == body(node.group) and node.title == node.group.title
        assert node.cluster == node.group.cluster == node.group.url != node.url
    for node in _sample(WEB, PageKind.NEAR_DUPLICATE):
        one, two = (re.sub("<[^>]*>", " ", body(each)).split() for each in (node, node.group))
        assert 1 <= sum(map(ne, one, two)) <= 3 and len(one) == len(two)
        assert node.title != node.group.title and node.cluster == node.group.url
    texts = Counter(body(node) for node in _sample(WEB, PageKind.PLAIN, 1000))
    assert texts.most_common(1)[0][1] == 1


@pytest.mark.slow
def test_pages_come_in_many_charsets_and_say_which() -> None:
    """Every declared charset is one that decodes the page; its title is right (see the walk)."""
    charsets = Counter(entry.charset for entry in entries(WEB) if entry.charset)
    assert len(charsets) == 12 and 0.7 < charsets["utf-8"] / charsets.total() < 0.95
    marked = [node for node in nodes(WEB) if node.html and node.script.name == "utf-16le"]
    reply = fetch(WEB, marked[0].url, 9)
    assert reply is not None and reply.body.startswith(b"\xff\xfe")


@pytest.mark.slow
def test_flaky_pages_work_after_their_failures() -> None:
    """503 with a Retry-After of 0 or 1, once or twice, then 200; only they read the attempt."""
    for node in _sample(WEB, PageKind.FLAKY):
        replies = [fetch(WEB, node.url, attempt) for attempt in range(4)]
        statuses = [reply.status for reply in replies if reply]
        assert statuses == [503] * node.failures + [200] * (4 - node.failures)
        first = replies[0]
        assert first is not None and dict(first.headers)["Retry-After"] in {"0", "1"}
    for node in nodes(MockWeb(pages=300)):
        ask = Ask(target=node.path, host="127.0.0.1:0")
        answer(ask, MockWeb(pages=300))
        assert ask.settled is (node.kind is not PageKind.FLAKY)


@pytest.mark.slow
def test_redirects_lead_to_hubs_in_every_status() -> None:
    """One hop, to a page that answers 200, sometimes on another host."""
    found = _sample(WEB, PageKind.REDIRECT, 1000)
    assert {node.status for node in found} == {301, 302, 303, 307, 308}
    targets = [node.target for node in found if node.target is not None]
    assert len(targets) == len(found) and all(target.status == 200 for target in targets)
    away = sum(node.origin != to.origin for node, to in zip(found, targets, strict=True))
    assert 0 < away < len(found) / 2


def test_files_are_of_their_type() -> None:
    """PNG, PDF, JSON, text and CSS, with their media types; the PNG's checksums are right."""
    kinds = {}
    for node in _sample(WEB, PageKind.FILE, 60):
        reply = fetch(WEB, node.url)
        assert reply is not None
        kinds[node.file[0]] = reply
    assert set(kinds) == {"pdf", "png", "json", "txt", "css"}
    assert kinds["pdf"].body.startswith(b"%PDF-1.4") and json.loads(kinds["json"].body)["text"]
    png = kinds["png"].body
    (length,) = struct.unpack(">I", png[8:12])
    assert struct.unpack(">I", png[16 + length : 20 + length])[0] == zlib.crc32(
        png[12 : 16 + length]
    )


@pytest.mark.slow
def test_faulty_pages_answer_by_the_catalogue() -> None:
    """Each answers with a fault of the catalogue, and all of those that may occur do."""
    catalogue = pytest.importorskip("crawler.mock.faults").FAULTS
    assert set(FAULTS) <= set(catalogue)
    found = _sample(WEB, PageKind.FAULTY, 200)
    assert {node.fault for node in found} == set(FAULTS)
    for node in found:
        assert fetch(WEB, node.url) is not None
        entry = find(WEB, node.url)
        assert entry is not None and entry.fault == node.fault and entry.status == 0


@pytest.mark.slow
def test_degree_and_size_follow_their_options() -> None:
    """Where the tree leaves room, a page has as many links as drawn, and about the size drawn."""
    options = MockWeb(
        pages=2000, port=8080, degree=Distribution.read("7"), size=Distribution.read("5000")
    )
    leaves = [node for node in _sample(options, PageKind.PLAIN, 2000) if node.place.row % HUB_EVERY]
    assert {degree(node) for node in leaves} == {len(list(links(node))) for node in leaves} == {7}
    utf8 = [node for node in leaves if node.script.name == "utf-8"]
    sizes = [len(reply.body) for node in utf8 if (reply := fetch(options, node.url))]
    assert sum(sizes) / len(sizes) == pytest.approx(5000, rel=0.1)


@pytest.mark.slow
def test_no_page_is_larger_than_a_megabyte() -> None:
    """Whatever is drawn, size and degree are capped."""
    options = MockWeb(
        pages=300, port=8080, degree=Distribution.read("1e9"), size=Distribution.read("1e12")
    )
    for node in _sample(options, PageKind.PLAIN, 10):
        reply = fetch(options, node.url)
        assert reply is not None and MAX_BYTES / 3 < len(reply.body) <= MAX_BYTES * 1.05
        assert degree(node) == 2000


def test_front_pages_link_to_the_traps_if_asked() -> None:
    """With `traps`, and only then, front pages lead into them; the truth does not hold them."""
    options = MockWeb(pages=50, port=8080, traps=True)
    trapped = [link for link in visit(options, front(options, 0)).links if "/trap/" in link]
    assert len(trapped) == 7 and not any(find(options, link) for link in trapped)
    plain = MockWeb(pages=50, port=8080)
    assert not any("/trap/" in link for link in visit(plain, front(plain, 0)).links)


@pytest.mark.slow
def test_ten_million_pages_cost_nothing_to_hold() -> None:
    """Any of 10 million pages on 10,000 hosts is found and answered, in little memory."""
    options = MockWeb(pages=10_000_000, hosts=10_000, authority="names", port=8080, seed=3)
    tracemalloc.start()
    for number in range(1, 10_000_000, 33_333):
        node = graph(options).page(number)
        assert find(options, node.url) is not None
        assert node.kind is PageKind.FAULTY or fetch(options, node.url) is not None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


ROOT = Path(__file__).parents[3]
PINNED = "5ce74da913521f3d"


def _digest(options: MockWeb) -> str:
    digest = hashlib.sha256()
    for node in nodes(options):
        digest.update(repr(_bytes(fetch(options, node.url, 9))).encode())
    return digest.hexdigest()[:16]


@pytest.mark.slow
def test_a_seed_is_the_same_web_for_ever() -> None:
    """Every byte of a small web is pinned: a change of this number is a change for users."""
    assert _digest(MockWeb(seed=42, pages=200, hosts=3, port=8080)) == PINNED


@pytest.mark.slow
def test_another_process_serves_the_same_bytes() -> None:
    """Nothing depends on the process: hash seeds, caches, the order of calls."""
    code = (
        "from tests.mock.graph.test_graph import _digest, MockWeb;"
        "print(_digest(MockWeb(seed=42, pages=200, hosts=3, port=8080)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == PINNED


def test_another_seed_is_another_web() -> None:
    """Paths, kinds and texts all depend on the seed."""
    one, two = (list(entries(MockWeb(seed=seed, pages=300))) for seed in (1, 2))
    assert len({e.url for e in one} & {e.url for e in two}) < 10
    assert [e.kind for e in one] != [e.kind for e in two]


@pytest.mark.slow
def test_entries_can_be_had_of_one_host() -> None:
    """The truth of a host is the slice of the whole truth that is its own."""
    whole = list(entries(WEB))
    for host in range(WEB.hosts):
        assert list(entries(WEB, host)) == [entry for entry in whole if entry.host == host]
    assert list(entries(WEB, 99)) == []
    assert isinstance(whole[0], Entry)
