"""Headless Chromium, for tests of how a page looks on a desktop and on a phone."""

from __future__ import annotations

import asyncio
import html
import json
import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

from tests.patience import PATIENCE

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")
HEIGHT = 4_000

_SCRIPT = """<script>
document.querySelectorAll("details").forEach(details => { details.open = true; });
const facts = [...document.querySelectorAll("svg[id^=plot-]")].map(svg => {
  const frame = svg.getBoundingClientRect();
  const out = [...svg.querySelectorAll("text")].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
  });
  const lines = [...svg.querySelectorAll("g > path")].filter(path => path.getTotalLength() > 30);
  return {
    id: svg.id, left: frame.left, width: frame.width, height: frame.height, lines: lines.length,
    texts: svg.querySelectorAll("text").length, outside: out.map(text => text.textContent),
    shade: getComputedStyle(svg.querySelector("text")).fill,
  };
});
const root = document.documentElement;
document.title = JSON.stringify({
  width: innerWidth, scroll: Math.max(root.scrollWidth, document.body.scrollWidth),
  tables: [...document.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth + 1)
    .map(e => e.innerText.slice(0, 40)),
  beyond: [...document.querySelectorAll("body *")].filter(e => !e.closest(".scroll, svg")
    && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80)),
  plots: facts,
});
</script>"""


class Browser:
    """Runs Chromium without a window on pages in a folder, with a profile of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def facts(self, page: str, width: int, *flags: str) -> dict[str, Any]:
        """What a script finds on a page, in a copy that allows scripts.

        The copy stands in a frame of the wanted width, as no window is less than 500 pixels wide.
        """
        page = re.sub(r"<meta http-equiv[^>]*>", "", page)
        page = html.escape(page.replace("</body>", f"{_SCRIPT}</body>"))
        size = f'width="{width}" height="{HEIGHT}" style="border: 0"'
        told = "onload = () => { document.title = frames[0].document.title; };"
        framed = f'<title></title><script>{told}</script><iframe {size} srcdoc="{page}"></iframe>'
        dumped = self._run(framed, 1_400, "--dump-dom", *flags).stdout
        title = re.search(r"<title>(.*?)</title>", dumped, re.DOTALL)
        assert title
        facts: dict[str, Any] = json.loads(html.unescape(title[1]))
        return facts

    def screenshot(self, page: str, width: int, *flags: str, height: int = HEIGHT) -> Path:
        """The page as it is, its policy in force, as a picture."""
        shot = self._folder / "shot.png"
        self._run(page, width, f"--screenshot={shot}", *flags, height=height)
        return shot

    def _run(
        self, page: str, width: int, *flags: str, height: int = HEIGHT
    ) -> subprocess.CompletedProcess[str]:
        assert CHROMIUM is not None
        path = self._folder / "page.html"
        path.write_text(page)
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += ["--no-first-run", "--disable-quic", "--disable-sync"]
        command += ["--disable-background-networking", "--disable-component-update"]
        command += [f"--user-data-dir={self._folder / 'profile'}"]
        command += [f"--window-size={width},{height}", *flags, path.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)


class Tab:
    """A page that a browser shows: scripts, real clicks and keys, pictures.

    It speaks the DevTools protocol over a web socket.
    """

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)

    async def tell(self, method: str, **arguments: object) -> dict[str, Any]:
        """Have the browser do something, and return its result; events are passed over."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": arguments})
        async with asyncio.timeout(PATIENCE):
            while (heard := await self._socket.receive_json()).get("id") != number:
                pass
        assert "error" not in heard, heard
        result: dict[str, Any] = heard["result"]
        return result

    async def ask(self, script: str) -> Any:
        """The value of an expression, or of its promise."""
        answer = await self.tell(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression is true."""
        await self.ask(
            f"new Promise(go => {{ const look = () => ({script}) ? go(1) : setTimeout(look, 50);"
            " look(); })"
        )

    async def show(self, url: str, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Show a page in a window of that size."""
        await self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.tell("Emulation.setEmulatedMedia", features=[scheme])
        if url:
            await self.tell("Page.navigate", url=url)
            await self.until(f"location.href === {url!r} && document.readyState === 'complete'")

    async def picture(self) -> bytes:
        """What is seen, the whole length of the page, as PNG."""
        shot = await self.tell("Page.captureScreenshot", captureBeyondViewport=True)
        return b64decode(shot["data"])

    async def click(self, script: str) -> None:
        """Press the mouse in the middle of an element, whatever lies on top of it there."""
        x, y = await self.ask(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
            f" return [b.x + b.width / 2, b.y + b.height / 2]; }})({script})"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.tell(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key: its name, its number, and the text that it makes."""
        for kind in ("keyDown", "keyUp"):
            made = {"text": text} if text and kind == "keyDown" else {}
            await self.tell(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **made
            )


@asynccontextmanager
async def tab(folder: Path) -> AsyncIterator[Tab]:
    """A browser with one tab, which has ended when the block is left."""
    assert CHROMIUM is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    flags += ["--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}"]
    flags += ["--disable-background-networking", "--disable-component-update", "about:blank"]
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *flags, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while not (line := await process.stderr.readline()).startswith(b"DevTools listening"):
                assert line, "it has ended"
        port = line.decode().split(":")[2].split("/")[0]
        drain = asyncio.create_task(process.stderr.read())
        async with ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = await answer.json(content_type=None)
            (url,) = [page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"]
            async with session.ws_connect(url, max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        process.terminate()
        await process.wait()
        await drain
