"""Each trap ends at its cap, in bounded memory, and nothing legal is refused on the way."""

from __future__ import annotations

from collections import Counter
from itertools import count, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.refusal import Refusal
from crawler.core.tally import Tally
from crawler.core.traps import Traps
from crawler.formats import html, links
from crawler.formats.simhash import likeness
from crawler.mock.graph import page_markup
from crawler.mock.graph.trap_pages import TRAPS, trap
from crawler.mock.judge.truth import entries, nodes
from crawler.mock.reply import Ask
from crawler.mock.scenario import MockWeb
from crawler.model.following_config import FollowingConfig
from crawler.model.url import Url

ORIGIN = "http://mock.test"


def url(path: str) -> Url:
    return Url(f"{ORIGIN}{path}")


def refusals(traps: Traps, *paths: str) -> list[Refusal | None]:
    return [traps.refusal(url(path)) for path in paths]


class Walk:
    """A breadth-first crawl of one trap of the mock web, by the answers of `Traps`."""

    def __init__(self, traps: Traps) -> None:
        self.traps = traps
        self.fetched: list[str] = []
        self.refused: Counter[Refusal] = Counter()
        self._visits = count()

    def run(self, path: str, most: int) -> None:
        """Fetch until nothing is left, or `most` pages."""
        seen = {"/", path}
        queue = [path]
        for target in queue:
            if len(self.fetched) >= most:
                return
            if reason := self.traps.barren(url(target)):
                self.refused[reason] += 1
                continue
            for link in self._links(target):
                if link not in seen:
                    seen.add(link)
                    reason = self.traps.refusal(url(link))
                    if reason is None:
                        queue.append(link)
                    else:
                        self.refused[reason] += 1

    def _links(self, target: str) -> list[str]:
        self.fetched.append(target)
        path = target.removeprefix("/trap/").partition("?")[0]
        ask = Ask(target=target, host="mock.test", count=lambda: next(self._visits))
        body = trap(path.split("/"), ask, MockWeb()).body
        found = html.find(body, "utf-8", token="crawler")
        skeleton = likeness(found.texts, found.linked).skeleton
        if reason := self.traps.visited(url(target), skeleton):
            self.refused[reason] += 1
            return []
        return [link.removeprefix(ORIGIN) for link in links.absolute(found.hrefs, ORIGIN + target)]


@pytest.mark.parametrize("name", TRAPS)
def test_the_mock_webs_traps_end(name: str) -> None:
    """Under modest caps each of the mock web's traps is left after a few dozen pages, counted."""
    walk = Walk(Traps(FollowingConfig(max_equal_pages=20, max_path_depth=10, max_queries=50), 20))
    walk.run(TRAPS[name].path, most=1_000)
    assert len(walk.fetched) < 60, walk.refused
    assert sum(walk.refused.values()) > 0


@pytest.mark.parametrize("name", TRAPS)
def test_the_mock_webs_traps_end_by_default(name: str) -> None:
    """With the defaults, too, the traps end: after some 100 pages."""
    walk = Walk(Traps(FollowingConfig()))
    walk.run(TRAPS[name].path, most=5_000)
    assert len(walk.fetched) < 220, walk.refused


@pytest.mark.slow
def test_nothing_legal_is_refused() -> None:
    """The defaults let the URL of every page of a legal web of 4,000 pages through."""
    traps = Traps(FollowingConfig())
    refused = [
        (entry.url, reason)
        for entry in entries(MockWeb(pages=4_000, hosts=40))
        if (reason := traps.refusal(Url(entry.url)))
    ]
    assert refused == []


@pytest.mark.slow
def test_no_legal_text_is_refused() -> None:
    """No page of a legal web, duplicates among them, is one of too many of equal content."""
    traps = Traps(FollowingConfig(max_equal_pages=5))
    for node in nodes(MockWeb(pages=300)):
        if node.html:
            found = html.find(page_markup.html(node), node.script.name, token="crawler")
            skeleton = likeness(found.texts, found.linked).skeleton
            assert traps.visited(Url(node.url), skeleton) is None


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/" + "a" * 2_100, Refusal.URL_LENGTH),
        ("/".join(["", *map(str, range(21))]), Refusal.PATH_DEPTH),
        ("/".join(["", *map(str, range(20)), ""]), None),
        ("/a/b/a/b/a/b", Refusal.REPEATED_SEGMENTS),
        ("/a/a/a/", Refusal.REPEATED_SEGMENTS),
        ("/a//b//c//d", Refusal.REPEATED_SEGMENTS),
        ("/a/b/a/b/", None),
        ("/2011/11/11/11", None),
        ("/", None),
        ("/a?b=/c/c/c/c/c", None),
    ],
)
def test_the_shape_of_a_path(path: str, reason: Refusal | None) -> None:
    """Length, depth and repeated segments have caps; numbers may repeat, queries do not count."""
    assert Traps(FollowingConfig()).refusal(url(path)) is reason


@pytest.mark.parametrize(
    "form",
    [
        "/item/1?sid={}",
        "/item/1?a=b&PHPSESSID={}",
        "/item/1;jsessionid={}?a=b",
        "/(S({}))/item/1",
        "/item/1?session_id={}",
        "/item/1?ASPSESSIONIDQWER={}",
    ],
)
def test_a_session_makes_no_new_page(form: str) -> None:
    """URLs that differ in a session alone are refused beyond two."""
    paths = [form.format(f"{number:024x}") for number in range(4)]
    found = refusals(Traps(FollowingConfig()), *paths)
    assert found == [None, None, Refusal.SESSION, Refusal.SESSION]


def test_what_looks_like_a_session_only() -> None:
    """A short number is a story's, and `dressid` is no session."""
    paths = [f"/story?sid={number}" for number in range(9)]
    paths += [f"/shop?dressid={number:024x}" for number in range(9)]
    assert not any(refusals(Traps(FollowingConfig()), *paths))


def test_orders_of_a_query() -> None:
    """The same parameters in another order are one page: the first order is followed."""
    paths = ["/p?" + "&".join(order) for order in permutations(("a=1", "b=2", "c=3"))]
    assert refusals(Traps(FollowingConfig()), *paths) == [None, *[Refusal.PERMUTATION] * 5]


def test_combinations_of_names() -> None:
    """A path that is linked with ever other sets of parameters ends at its cap."""
    sets = ("&".join(f"{n}={i}" for i, n in zip(bits, "abcdefgh", strict=True) if i)
            for bits in product((0, 1), repeat=8))  # fmt: skip
    found = Counter(
        refusals(Traps(FollowingConfig(), combinations=30), *[f"/p?{query}" for query in sets])
    )
    assert set(found) == {None, Refusal.COMBINATIONS}
    assert 30 <= found[None] <= 100  # in a map of 240 bits others share the bits of 30


def test_queries_of_a_path() -> None:
    """Each path has its own count of queries; another path and another host begin anew."""
    traps = Traps(FollowingConfig(max_queries=5))
    assert refusals(traps, *[f"/p?n={n}" for n in range(7)])[4:] == [None, *[Refusal.QUERIES] * 2]
    assert refusals(traps, "/q?n=1") == [None]
    assert traps.refusal(Url("http://other.test/p?n=1")) is None


def test_pages_of_equal_content() -> None:
    """Beyond the cap links of such pages are not followed, and their shape is barren."""
    traps = Traps(FollowingConfig(max_equal_pages=3))
    answers = [traps.visited(url(f"/day/{n}"), 7) for n in range(12)]
    assert answers == [None] * 3 + [Refusal.EQUAL_CONTENT] * 9
    assert traps.barren(url("/day/99")) is Refusal.EQUAL_CONTENT
    assert traps.refusal(url("/day/99?x=1")) is Refusal.EQUAL_CONTENT
    assert refusals(traps, "/day/", "/month/9") == [None, None]
    assert traps.barren(Url("http://other.test/day/99")) is None


def test_a_shape_with_pages_of_its_own_stays() -> None:
    """Where one page in five has a text of its own, new URLs of that shape are still followed."""
    traps = Traps(FollowingConfig(max_equal_pages=3))
    for n in range(200):
        traps.visited(url(f"/item/{n}"), 7 if n % 5 else 1_000 + n)
    assert traps.barren(url("/item/999")) is None


def test_pages_without_text_are_not_equal() -> None:
    """Pages that need scripts for their text are not taken for one page."""
    traps = Traps(FollowingConfig(max_equal_pages=3))
    assert not any(traps.visited(url(f"/app/{n}"), 0) for n in range(50))


@pytest.mark.slow
@given(st.lists(st.integers(0, 50), max_size=300), st.integers(1, 20))
def test_a_tally_never_counts_too_much(keys: list[int], size: int) -> None:
    """A count is never above the truth, exact for what was counted of late, and memory is bounded.

    Of late: no more than `size` distinct keys ago.
    """
    tally = Tally(size)
    truth: Counter[int] = Counter()
    for place, key in enumerate(keys):
        truth[key] += 1
        counted = tally.add(key)
        assert counted <= truth[key]
        before = keys[:place]
        if key in before:
            since = before[len(before) - 1 - before[::-1].index(key) :]
            assert counted > 1 or len(set(since)) >= size
        assert len(tally) <= 2 * size


@pytest.mark.slow
@given(st.lists(st.integers(0, 200), max_size=200), st.integers(1, 30))
def test_no_member_is_refused_below_the_cap(members: list[int], most: int) -> None:
    """The first `most` members are admitted, as often as they are asked for, few others are."""
    tally = Tally(10)
    first = list(dict.fromkeys(members))[:most]
    answers = {member: tally.admits(7, member, most) for member in [*members, *members]}
    assert all(answers[member] for member in first)
    assert tally._get(7).bit_count() <= most


@pytest.mark.slow
@given(st.text(st.sampled_from("ab/?&=;1(S)#-.")))
def test_no_url_raises(tail: str) -> None:
    """Whatever a path and a query look like, the answer is a value."""
    traps = Traps(FollowingConfig(max_path_depth=3, max_queries=2))
    traps.visited(url(f"/{tail}"), 1)
    assert traps.refusal(url(f"/{tail}")) in {None, *Refusal}
