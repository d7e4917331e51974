"""Headless Chromium, for tests of how a page looks on a desktop and on a phone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

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
