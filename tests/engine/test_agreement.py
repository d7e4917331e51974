"""The engines agree: one server, one outcome, kind and status, whichever engine asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from crawler.mock import MockWeb, Served, running
from crawler.mock.faults import FAULTS, tcp
from crawler.model.outcome import Failed, Page
from tests.patience import PATIENCE

from .test_faults import ENDLESS, MAX_BODY, RUDE
from .test_web import ENGINES, crawled

LATE = sorted(ENDLESS)
PROMPT = [name for name in FAULTS if name not in {*LATE, RUDE}]
CONTENT = ("status", "content_type", "body_bytes")


@pytest.fixture(scope="module")
def web() -> Iterator[Served]:
    with running(MockWeb()) as served:
        yield served


def seen(web: Served, names: list[str], engine: str, **options: object) -> dict[str, object]:
    """What each fault ends as with an engine: everything that is not a time."""
    paths = {f"{web.url}/fault/{name}/page/0": name for name in names}
    told = {"max_body": MAX_BODY, "max_redirects": 3, **options}
    found: dict[str, object] = {}
    for final in crawled(list(paths), **ENGINES[engine], **told):
        exchange = final.exchange
        read = [getattr(exchange, name, None) for name in CONTENT]
        if isinstance(final, Page):
            found[paths[final.url]] = (type(final), read, final.title, final.links)
        else:
            assert isinstance(final, Failed)
            found[paths[final.url]] = (type(final), read[:2], final.kind, final.reason)
    return found


@pytest.fixture(scope="module")
def wanted(web: Served) -> Callable[[int], dict[str, object]]:
    """What each fault ends as with asyncio at a width, asked once."""
    return cache(lambda width: seen(web, PROMPT, "asyncio", **_patient(width)))


def _patient(width: int) -> dict[str, object]:
    return {"timeout": 20.0, "concurrency": width, "per_host": width}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "alone"),
    [("uvloop", True), ("uvloop", False), ("threaded", True), ("threaded", False), ("raw", True)],
)
def test_the_engines_agree_about_every_fault(
    web: Served, wanted: Callable[[int], dict[str, object]], engine: str, alone: bool
) -> None:
    """Each fault ends with one outcome, kind, reason, status, type, length, title and links."""
    width = 1 if alone else 24
    assert len(wanted(width)) == len(PROMPT)
    assert seen(web, PROMPT, engine, **_patient(width)) == wanted(width)


@pytest.mark.slow
def test_the_engines_agree_about_what_never_ends(
    web: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So do those that the deadline ends, with what was read until then."""
    monkeypatch.setattr(tcp, "_DRIP_SECONDS", PATIENCE)  # so that one byte comes, and not two
    wanted = seen(web, LATE, "asyncio", timeout=2.0)
    assert len(wanted) == len(LATE)
    for engine in ("uvloop", "threaded", "raw"):
        assert seen(web, LATE, engine, timeout=2.0) == wanted
