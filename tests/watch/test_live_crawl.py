"""The page of a crawl in a real browser: how it looks, and what its controls do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crawler.mock import MockWeb, Served, running
from tests.browser import Tab, needs_chromium, tab
from tests.cli.test_command import started
from tests.patience import PATIENCE

pytestmark = [pytest.mark.slow, needs_chromium]

_BEYOND = """[...document.querySelectorAll("body *")].filter(e =>
    !e.closest(".scroll, svg, .unseen") && e.getBoundingClientRect().right > innerWidth + 1
).map(e => e.outerHTML.slice(0, 80))"""
_ROWS = "document.querySelectorAll('#tables section:first-child tbody tr').length"
_STATE = "document.getElementById('state').textContent"
_FIGURES = "Object.fromEntries([...figures].map(([name, cell]) => [name, cell.textContent]))"


@contextmanager
def crawling(web: Served, folder: Path, *how: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A crawl of two hosts and one that is dead, with the address of its page."""
    names = ("127.0.0.1", "localhost")
    urls = [f"http://{name}:{web.port}/page/{n}" for n in range(2_000) for name in names]
    (folder / "list.txt").write_text("\n".join([*urls, "http://127.0.0.1:9/secret?key=hidden"]))
    words = ["-i", str(folder / "list.txt"), "-o", str(folder / "out.jsonl"), "--allow-private"]
    words += ["--delay", "0.05", "--ip-delay", "0", "--progress", "none", "--live", "0", *how]
    with started("crawl", *words, "--robots", "ignore", "--retries", "0") as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if line.startswith("live: "))
        yield process, line.removeprefix("live: ").strip()


async def press(page: Tab, name: str) -> None:
    """Click a control once it can be."""
    button = f"buttons.get({name!r})"
    await page.until(f"{button} && !{button}.disabled")
    await page.click(button)


async def limit(page: Tab) -> int:
    """The number of requests that may be in flight."""
    figures = await page.ask(_FIGURES)
    return int(figures["In flight"].split(" of ")[1])


async def stopped(page: Tab, process: subprocess.Popen[str]) -> None:
    """Stop, which wants two presses, and see the end, which is as after Ctrl-C."""
    await press(page, "stop")
    assert await page.ask("buttons.get('stop').textContent") == "Really stop?"
    await press(page, "stop")
    await page.until(f"{_STATE} === 'ended'")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "the same command continues" in err


async def test_a_crawl_in_a_browser(tmp_path: Path) -> None:
    """Wide and narrow, bright and dark; each control, by mouse and by keyboard, does its work."""
    with (
        running(MockWeb(pages=2_000, latency=0.02)) as web,
        crawling(web, tmp_path, "--engine", "threaded", "-c", "30") as (process, url),
    ):
        async with tab(tmp_path) as page:
            await looks(page, url)
            await orders(page)
            await skips(page, f"http://localhost:{web.port}")
            await stopped(page, process)
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    excluded = [record for record in records if record.get("kind") == "excluded"]
    assert excluded and {f"http://localhost:{web.port}"} == {
        record["url"].partition("/page")[0] for record in excluded
    }
    assert len(excluded) > 1_000 and len({record["url"] for record in records}) == len(records)


async def looks(page: Tab, url: str) -> None:
    """Nothing reaches beyond a window, the failure has its reason, and no secret is shown."""
    await page.show(url, 1_280)
    await page.until(f"{_ROWS} === 2 && history.length > 1")
    await page.until("document.body.innerText.includes('connection refused')")
    text = await page.ask("document.body.innerText")
    assert "http://127.0.0.1:9/secret?..." in text and "hidden" not in text
    wide = await page.ask("getComputedStyle(document.body).backgroundColor")
    assert await page.ask(_BEYOND) == []
    for width, dark in ((1_280, False), (390, True)):
        await page.show("", width, dark=dark)
        await page.until(f"innerWidth === {width}")
        shot = await page.picture()
        assert shot.startswith(b"\x89PNG") and len(shot) > 20_000
    assert await page.ask(_BEYOND) == []
    assert await page.ask("getComputedStyle(document.body).backgroundColor") != wide
    await page.show("", 1_280)


async def orders(page: Tab) -> None:
    """Pause holds everything, resume goes on; slower and faster move the limit."""
    await press(page, "pause")
    await page.until(f"{_STATE} === 'paused' && document.body.innerText.includes('paused by hand')")
    await page.until("figures.get('In flight').textContent.startsWith('0 of')")
    done = (await page.ask(_FIGURES))["Done"]
    seen = await page.ask("history.length")
    await page.until(f"history.length >= {seen + 2}")
    assert (await page.ask(_FIGURES))["Done"] == done
    # By keyboard: the button that has the focus, and Enter.
    await page.ask("buttons.get('resume').focus()")
    await page.press("Enter", 13, "\r")
    await page.until(f"{_STATE} === 'running'")
    assert await limit(page) == 30
    await press(page, "slower")
    await page.until("figures.get('In flight').textContent.endsWith(' of 20')")
    await press(page, "faster")
    await page.until("figures.get('In flight').textContent.endsWith(' of 30')")


async def skips(page: Tab, host: str) -> None:
    """Filter by name, and skip the host that is left over, by two presses."""
    await page.click("document.querySelector('input[type=search]')")
    await page.tell("Input.insertText", text="LOCALHOST")
    await page.until(f"{_ROWS} === 1")
    button = f"document.querySelector('[aria-label=\"Skip {host}\"]')"
    await page.click(button)
    await page.until(f"{button}.textContent === 'Really skip?'")
    assert await page.ask(f"document.activeElement === {button}")  # a new board moves no focus
    await page.click(button)
    await page.until(f"document.body.innerText.includes({host + ' is skipped'!r})")
    await page.until("Number(figures.get('Skipped').textContent.replace(',', '')) > 1000")


async def test_partitions_in_a_browser(tmp_path: Path) -> None:
    """They are one crawl with a row each; an order reaches all of them."""
    with (
        running(MockWeb(pages=2_000, latency=0.02)) as web,
        crawling(web, tmp_path, "--workers", "2") as (process, url),
    ):
        async with tab(tmp_path) as page:
            await page.show(url, 1_280)
            await page.until(f"{_ROWS} === 2 && tables.has('partitions')")
            await page.until("tables.get('partitions').rows.size === 2")
            await press(page, "pause")
            rows = "[...tables.get('partitions').rows.values()]"
            await page.until(f"{rows}.every(row => row.children[1].textContent === 'paused')")
            await press(page, "slower")
            await press(page, "resume")
            await page.until("figures.get('In flight').textContent.endsWith(' of 170')")
            await page.until(f"{_STATE} === 'running'")
            await stopped(page, process)
