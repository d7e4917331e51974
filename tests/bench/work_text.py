"""Main text of real pages: `--text` against none, and `best` against trafilatura by itself.

The pages of the documentation, with title and links as always. trafilatura by itself reads the same
pages from the disk, in a process a core, and does nothing else: what its CPU time allows.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from tests.bench import compared
from tests.bench.contestants import UrlList, bare, our_command, ours
from tests.bench.measure import play
from tests.bench.report import Result, Target
from tests.bench.setting import Setting

_QUERIES = 16
_FAST = Target(bound=0.6, unit="x")
_BEST = Target(bound=0.9, unit="x")


def measure(setting: Setting) -> Result:
    """Ours with and without text, and with the dear engine on an eighth of the pages."""
    urls, few = setting.doc_pages(_QUERIES), setting.doc_pages(2)
    best = our_command(few, options=("--text", "--text-engine", "best"))
    files = UrlList.write(few.beside("files.txt"), _files(setting, few))
    samples = play(
        [
            ours("none", urls, our_command(urls)),
            ours("text", urls, our_command(urls, options=("--text",))),
            ours("best", few, best),
            bare("trafilatura", files, "bare_trafilatura", ()),
        ],
        setting.rounds,
        setting.say,
    )
    rows = (
        compared.row("main text against none", samples["text"], samples["none"], _FAST),
        compared.row(
            "best against bare trafilatura", samples["best"], samples["trafilatura"], _BEST
        ),
    )
    return Result(key="text", how=__doc__ or "", rows=rows, samples=samples)


def _files(setting: Setting, urls: UrlList) -> list[str]:
    paths = (unquote(urlsplit(url).path) for url in urls.path.read_text().split())
    return [str(setting.site.file(path)) for path in paths]
