"""`gil-release`: every library finds the same, a victim that notices, and outcomes either way."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from crawler.compare.design import Interpreter, Setting
from crawler.compare.experiments import gil_release, gil_release_work
from crawler.compare.experiments.gil_release import EXPERIMENT, KNOWN, named, present
from crawler.compare.experiments.gil_release_work import CALL, CONTROLS, LOOP, ZLIB, page, work
from crawler.compare.observation import Run
from crawler.formats.libraries import MODULES, parser
from tests.compare.made import found, setting
from tests.compare.turns import Looking, observed, outcome, turns

HERE = present(setting().interpreter)
FREE, HELD, LONG = 0.0001, 0.0052, 0.021
VICTIM = {
    "frostwork": {"kept": FREE, "long": FREE},
    "turbohtml": {"kept": HELD, "long": LONG},
    "html.parser": {"kept": HELD},
    "html5lib": {"kept": HELD},
    ZLIB: {"kept": FREE},
    LOOP: {"kept": HELD},
    CALL: {"kept": LONG},
}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that has the libraries of `VICTIM` and no others."""
    there = [name for name in MODULES if name in VICTIM]
    monkeypatch.setattr(gil_release, "_present", lambda _path: there)


def _runs(idle: float = FREE, **changed: dict[str, float]) -> list[Run]:
    """As predicted, but for the figures of some; `two` is the wall time of two threads."""
    runs: list[Run] = []
    for name, victim in VICTIM.items():
        told = {"two": 0.53 if KNOWN[name].frees else 1.01, **victim, **changed.get(name, {})}
        figures = {k: v for k, v in told.items() if k != "two"}
        longest = {f"{k}_longest": v for k, v in figures.items()}
        figures = {**figures, **longest, "idle": idle, "page": 0.001}
        runs += turns(named(name, 1), [1.0], figures=figures)
        runs += turns(named(name, 2), [told["two"]], figures={"page": 0.001})
    return runs


def test_what_the_project_uses_is_there() -> None:
    """The dev environment has these libraries, and the standard library has its own."""
    assert {"frostwork", "turbohtml", "html5lib", "html.parser"} <= set(HERE)


def test_each_interpreter_is_asked_what_it_has(tmp_path: Path) -> None:
    """Another interpreter's packages count, not those of this one."""
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\nshift 3\nfor each; do [ $each = bs4 ] && echo 1 || echo 0; done\n")
    other.chmod(0o700)
    interpreter = Interpreter(label="", path=str(other), version="3.11.7")
    assert list(present(interpreter)) == ["BeautifulSoup"]


@pytest.mark.parametrize("name", [*HERE])
def test_every_library_finds_the_same(name: str) -> None:
    """Title and links are those that the page was made with."""
    asked = parser(name)(page(12))
    assert asked.title == "A page of 12 parts"
    assert list(asked.hrefs) == [f"/page/{n}?q={n % 5}" for n in range(12)]


def test_an_absent_library_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an ImportError at once, and not in the middle of a turn."""
    monkeypatch.setitem(sys.modules, "html5lib", None)
    with pytest.raises(ImportError):
        parser("html5lib")


def test_the_page_is_as_long_as_the_claim_says() -> None:
    """80 KB, and 5 MB for a long one, give or take 5 %; and the same each time."""
    assert 76_000 <= len(page()) <= 84_000
    assert page() == page()
    long = gil_release_work.long_page()
    assert 4_750_000 <= len(long) <= 5_500_000
    assert long.count(b"<") < 1 << 15


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["frostwork", "turbohtml"])
def test_all_libraries_have_one_checksum(name: str, threads: int) -> None:
    """Different libraries, the same title and links, and every page is done."""
    watch = Looking()
    parameters = {"name": name, "threads": threads, "pages": 4, "victim": 0.0, "long": True}
    done = work(parameters, watch)
    (expected,) = {
        work({**parameters, "name": other}, Looking()).checksum for other in ("html.parser", name)
    }
    assert (done.checksum, done.errors, watch.entered) == (expected, 0, 1)


def test_a_page_that_differs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a library does otherwise now and then voids its turns."""
    answers = iter(range(100))
    monkeypatch.setitem(CONTROLS, "fickle", lambda _body: next(answers))
    parameters = {"name": "fickle", "threads": 2, "pages": 6, "victim": 0.0, "long": False}
    assert work(parameters, Looking()).errors == 6


@pytest.mark.slow
def test_a_victim_has_figures_alone_and_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, with a page and with a long one: middle, p99 and longest, in this order."""
    monkeypatch.setattr(gil_release_work, "long_page", lambda: b"")
    parameters = {"name": CALL, "threads": 1, "pages": 1, "victim": 0.05, "long": True}
    figures = work(parameters, Looking()).figures
    for name in ("idle", "kept", "long"):
        assert 0 < figures[name] <= figures[f"{name}_p99"] <= figures[f"{name}_longest"]


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_as_predicted() -> None:
    """Who frees the lock is faster in two threads and keeps nobody out; the others do."""
    claims = found(EXPERIMENT, observed(EXPERIMENT, setting(), _runs()))
    predicted = {each.outcome for each in claims.values() if each.outcome != "told"}
    assert predicted == {"as predicted"}
    absent = claims["libraries that are not measured"].text
    assert absent.endswith("selectolax, lxml, BeautifulSoup")


@pytest.mark.slow
@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("name", "changed", "claim"),
    [
        ("frostwork", {"two": 1.0}, "frostwork: two threads are at least"),
        ("turbohtml", {"two": 0.6}, "turbohtml: two threads are no faster"),
        ("html.parser", {"two": 0.6}, "html.parser: two threads are no faster"),
        ("frostwork", {"kept": HELD}, "beside frostwork another thread is not kept out"),
        ("frostwork", {"long": LONG}, "beside frostwork with a page"),
        ("turbohtml", {"kept": FREE}, "beside turbohtml another thread is kept out"),
        ("turbohtml", {"long": HELD}, "beside turbohtml with a page"),
        (LOOP, {"kept": LONG}, f"beside {LOOP}"),
        (CALL, {"kept": HELD}, f"beside {CALL}"),
    ],
)
def test_the_opposite_is_found(name: str, changed: dict[str, float], claim: str) -> None:
    """Each prediction can fail, of speed and of waiting."""
    claims = found(EXPERIMENT, observed(EXPERIMENT, setting(), _runs(**{name: changed})))
    assert outcome(claims, claim) == "otherwise"


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_a_machine_that_keeps_it_out_by_itself_decides_nothing() -> None:
    """A victim that is late with nobody beside it shows nothing about a library."""
    claims = found(EXPERIMENT, observed(EXPERIMENT, setting(), _runs(idle=0.004)))
    assert outcome(claims, "beside turbohtml another") == "undecided"
    assert outcome(claims, "beside frostwork another") == "undecided"


@pytest.mark.usefixtures("few")
def test_on_one_core_only_who_holds_the_lock_is_predicted() -> None:
    """No speed-up, and nothing of the libraries that free the lock; that is said."""
    where = setting(1)
    assert EXPERIMENT.contrasts(where) == []
    claims = found(EXPERIMENT, observed(EXPERIMENT, where, _runs()))
    assert outcome(claims, "two threads are faster") == "told"
    assert outcome(claims, "beside frostwork") == "told"
    assert outcome(claims, "beside html5lib") == "as predicted"


@pytest.mark.usefixtures("few")
def test_without_the_lock_python_is_predicted_to_be_faster() -> None:
    """Pure Python runs in parallel then; of C libraries nothing is predicted but the known."""
    by = {each.base.split(",")[0]: each for each in EXPERIMENT.contrasts(setting(gil=False))}
    assert (by["html5lib"].expect, by["frostwork"].expect) == ("faster", "faster")
    assert by["turbohtml"].expect == ""


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_a_library_that_turns_the_lock_on_is_named() -> None:
    """On a build whose lock is off, an import that turns it on is a finding."""
    where: Setting = setting(gil=False)
    runs = [replace(run, gil=run.arm.startswith("turbohtml")) for run in _runs()]
    claims = found(EXPERIMENT, observed(EXPERIMENT, where, runs))
    assert outcome(claims, "turbohtml leaves the lock off") == "otherwise"
    assert "html5lib leaves the lock off" not in claims


@pytest.mark.slow
@pytest.mark.usefixtures("few")
def test_another_result_voids_a_library() -> None:
    """A library that finds other links is not compared."""
    runs = [replace(run, checksum="x" if "html5lib" in run.arm else "y") for run in _runs()]
    claims = found(EXPERIMENT, observed(EXPERIMENT, setting(), runs))
    assert outcome(claims, "html5lib: two") == "invalid"
    assert not any(claim.startswith("beside html5lib") for claim in claims)


@pytest.mark.usefixtures("few")
def test_the_charts_have_a_bar_for_each() -> None:
    """Who was kept out, and pages a second; without turns there are no charts."""
    kept, gained = EXPERIMENT.charts(observed(EXPERIMENT, setting(), _runs()))
    assert (
        list(kept.groups)
        == list(gained.groups)
        == [n for n in [*MODULES, *CONTROLS] if n in VICTIM]
    )
    assert kept.values["middle"][0] == pytest.approx(FREE * 1e3)
    assert EXPERIMENT.charts(observed(EXPERIMENT, setting(), [])) == []
