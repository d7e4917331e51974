"""A notebook, whose cells run where an event loop runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nbclient
import nbformat
import pytest

CELLS = (
    """
import crawler
from crawler.mock import MockWeb, running
web = running(MockWeb(pages=12))
served = web.__enter__()
options = dict(allow_private=True, delay=0, ip_delay=0)
""",
    "def words(response): return {'words': len(response.text.split())}",
    "len(list(crawler.run(served.urls(), parser=words, **options)))",
    "outcomes = await crawler.Crawl(served.urls(), parser=words, **options); outcomes[0]",
    """
async with crawler.Crawl(served.urls(), engine="threaded", **options) as crawl:
    titles = [outcome.title async for outcome in crawl]
len(titles)
""",
    "crawler.fetch_one(served.url, **options).ok",
    "len(crawler.to_pandas(outcomes))",
    """
try:
    crawler.run([], parser=words, parse="process")
except crawler.ConfigurationError as error:
    print(error)
""",
    """
import os, signal, threading
for outcome in crawler.run(served.urls(), **{**options, "delay": 5}):
    os.kill(os.getpid(), signal.SIGINT)
""",
    """
left = [each for each in threading.enumerate() if each.name == "crawler-run"]
for each in left:
    each.join(60)
[each.is_alive() for each in left]
""",
    "web.__exit__(None, None, None)",
)
INTERRUPTED = next(cell for cell in CELLS if "SIGINT" in cell)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_every_door_opens_in_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run`, `await`, `async with` and `fetch_one` work in cells, with the cells' functions."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    for cell in notebook.cells:
        if cell.source == INTERRUPTED:
            cell.metadata["tags"] = ["raises-exception"]
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3")
    asyncio.run(client.async_execute())
    texts = [
        output["data"]["text/plain"]
        for cell in notebook.cells
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    printed = [o.text for c in notebook.cells for o in c.outputs if o.output_type == "stream"]
    assert "".join(printed).startswith("parser: words cannot be sent to another process")
    assert texts[0] == texts[2] == texts[4] == "12"
    assert texts[-2] in ("[]", "[False]")  # an interrupted cell has ended its crawl
    shown = [o for c in notebook.cells for o in c.outputs if o.output_type == "display_data"]
    tables = [output["data"]["text/html"] for output in shown]
    assert len(tables) == 2  # of both crawls by `run`; `fetch_one` shows none
    assert "<th>done</th><td>12</td>" in tables[0] and "<th>failed</th><td>0</td>" in tables[0]
    (error,) = [o for c in notebook.cells for o in c.outputs if o.output_type == "error"]
    assert error.ename == "KeyboardInterrupt"
    assert texts[1].startswith("<Page 200 http://127.0.0.1:") and texts[3] == "True"
