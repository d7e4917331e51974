"""Where pages stand: hosts, levels, parents and children."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.mock.graph.web_layout import MAX_CHILDREN, Layout

LAYOUTS = st.builds(
    Layout, st.integers(1, 3000), st.integers(1, 300), st.floats(1, 50, allow_nan=False)
)


@pytest.mark.slow
@given(LAYOUTS)
def test_every_page_has_one_place(layout: Layout) -> None:
    """Host after host, level after level: places count up and lead back to their number."""
    expected = [(host, local) for host in range(layout.hosts) for local in range(layout.size(host))]
    places = [layout.place(number) for number in range(layout.pages)]
    assert [(place.host, place.local) for place in places] == expected
    assert all(layout.local(place.host, place.local) == place for place in places)
    assert [place.number for place in places] == list(range(layout.pages))


@pytest.mark.slow
@given(LAYOUTS)
def test_parents_and_children_agree(layout: Layout) -> None:
    """Every page but the front page is the child of exactly one hub, one level above."""
    for host in range(min(layout.hosts, 20)):
        children: list[int] = []
        for local in range(layout.size(host)):
            place = layout.local(host, local)
            for child in layout.children(place):
                assert layout.parent(layout.local(host, child)) == local
                assert layout.local(host, child).depth == place.depth + 1
                children.append(child)
            assert len(layout.children(place)) <= MAX_CHILDREN
        assert sorted(children) == list(range(1, layout.size(host)))


@pytest.mark.slow
@given(LAYOUTS)
def test_no_level_and_no_host_is_empty(layout: Layout) -> None:
    """Levels follow each other without a gap; hosts shrink with their number."""
    sizes = [layout.size(host) for host in range(layout.hosts)]
    assert min(sizes) >= 1 and sum(sizes) == layout.pages
    assert all(after <= before + 1 for before, after in pairwise(sizes))
    levels = layout.levels(0)
    assert all(end > start for start, end in pairwise(levels))


@pytest.mark.parametrize("median", [2.0, 4.0, 8.0])
def test_the_median_depth_is_as_asked(median: float) -> None:
    """On a host of 3,000 pages half of the pages lie within the median depth."""
    layout = Layout(3000, 1, median)
    depths = sorted(layout.place(number).depth for number in range(3000))
    assert depths[1500] == median


def test_large_hosts_are_deeper_rather_than_wider() -> None:
    """A hundred million pages on one host need no page with more than 200 children."""
    layout = Layout(100_000_000, 1, 4.0)
    assert len(layout.children(layout.place(0))) <= MAX_CHILDREN
    deep = layout.place(99_999_999)
    for _ in range(deep.depth):
        parent = layout.local(0, layout.parent(deep))
        assert deep.local in layout.children(parent)
        deep = parent
    assert deep.local == 0


def test_a_host_beyond_the_web_has_no_pages() -> None:
    """Hosts that got no page and numbers that are no host's have size 0."""
    layout = Layout(3, 10, 4.0)
    assert [layout.size(host) for host in (-1, 0, 1, 2, 3, 9)] == [0, 1, 1, 1, 0, 0]
