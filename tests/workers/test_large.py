"""Large pages, and workers that do not start: who parses then, and what is said."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

from crawler.model.document import Document
from crawler.model.errors import EnvironmentFailure
from crawler.runtime import limits
from crawler.workers.lanes import LANES, Lane, ThreadLane
from crawler.workers.work import Work
from tests.workers.test_hand_over import FACES, HTML, Parse, config

LARGE = HTML + b"<p>a paragraph</p>" * 70_000
faces = pytest.mark.parametrize("parse", [FACES["asyncio"], FACES["threads"]], ids=["aio", "thr"])


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Work], Lane]], None]:
    """Put a lane in the place of processes, on a machine of two cores."""
    monkeypatch.setattr(limits, "cores", lambda: 2)
    return lambda lane: monkeypatch.setitem(LANES, "process", lane)


@pytest.mark.slow
@faces
def test_auto_leaves_a_large_page_to_a_worker(
    parse: Parse, lanes: Callable[[Callable[[Work], Lane]], None]
) -> None:
    """The first page of all is one of 1 MB: it waits for a worker, whose memory is limited."""
    made: list[Work] = []

    def lane(work: Work) -> Lane:
        made.append(work)
        return ThreadLane(work)

    lanes(lane)
    parsed = parse([LARGE, HTML], config(parse="auto"))
    assert all(isinstance(result, Document) for result in parsed)
    assert len(made) == 2


@pytest.mark.slow
@faces
def test_auto_starts_no_worker_on_one_core(
    parse: Parse,
    lanes: Callable[[Callable[[Work], Lane]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However much there is to parse: handing over would cost more, and save nothing."""
    made: list[Work] = []

    def lane(work: Work) -> Lane:
        made.append(work)
        return ThreadLane(work)

    lanes(lane)
    for cores, workers in ((1, 0), (2, 2)):
        monkeypatch.setattr(limits, "cores", lambda number=cores: number)
        parse([LARGE, *[HTML + b"<p>a paragraph</p>" * 7_000] * 60], config(parse="auto"))
        assert len(made) == workers


@pytest.mark.slow
@faces
def test_auto_parses_a_large_page_where_no_worker_starts(
    parse: Parse, lanes: Callable[[Callable[[Work], Lane]], None]
) -> None:
    """A full /dev/shm costs no page: the crawler parses it itself."""
    lanes(_fails(errno.ENOSPC))
    assert all(
        isinstance(result, Document) for result in parse([LARGE, HTML], config(parse="auto"))
    )


@faces
@pytest.mark.parametrize("number", [errno.ENOENT, errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_broken_dev_shm_is_said_with_what_to_do(
    parse: Parse, lanes: Callable[[Callable[[Work], Lane]], None], number: int
) -> None:
    """Where it is missing, read-only, full or another's: one line with the reason and the cure."""
    lanes(_fails(number))
    with pytest.raises(EnvironmentFailure, match=r"^parse: no worker starts: .*/dev/shm; make it"):
        parse([HTML], config(parse="process"))


def _fails(number: int) -> Callable[[Work], Lane]:
    def lane(_work: Work) -> Lane:
        raise OSError(number, os.strerror(number), "/dev/shm/pym-1")

    return lane
