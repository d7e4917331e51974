"""Which file a parser's name means, how it is loaded, and what else is found then."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.model.document import RawResponse
from crawler.model.errors import ConfigurationError
from crawler.workers import own
from crawler.workers.parsing import Parsing
from crawler.workers.work import Parser, Work

PAGE = RawResponse(url="http://a/", status=200, content_type="text/html", body=b"")
MINE = "def parse(response):\n    return {'mine': __name__}\n"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """What a test loads and searches is forgotten after it."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return str(folder)


@pytest.mark.parametrize(
    ("path", "file", "name"),
    [
        ("mine:parse", "mine.py", "mine"),
        ("mine:parse", "mine/__init__.py", "mine"),
        ("deep.er.mine:parse", "deep/er/mine.py", "deep.er.mine"),
        ("./mine.py:parse", "mine.py", "mine"),
        ("deep/my-own.py:parse", "deep/my-own.py", "my-own"),
        ("./json.py:parse", "json.py", "json"),
    ],
)
def test_a_module_of_the_directory_is_loaded_from_its_file(
    tmp_path: Path, path: str, file: str, name: str
) -> None:
    """By name or file, in packages or not; by file also where another module has that name."""
    folder, before = write(tmp_path, {file: MINE}), list(sys.path)
    own.check(path, folder)
    assert own.load(path, folder, keep=False)(PAGE) == {"mine": name}
    assert sys.path == before
    assert not hasattr(sys.modules["json"], "parse")


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("json:loads", "json.py"),
        ("sys:exit", "sys.py"),  # has no file of its own
        ("hypothesis.errors:Found", "hypothesis/errors.py"),  # packages without __init__.py
        ("hypothesis.errors:Found", "hypothesis/errors/__init__.py"),
    ],
)
def test_a_file_that_lies_there_does_not_take_an_installed_modules_place(
    tmp_path: Path, path: str, file: str
) -> None:
    """CWE-427: who names a library and has such a file in a folder of downloads must say which."""
    folder = write(tmp_path, {file: MINE})
    own.check(path, str(tmp_path / "elsewhere"))
    with pytest.raises(ConfigurationError, match=rf"for the latter use \./{file}:\w+$"):
        own.check(path, folder)


def test_a_module_is_no_second_one_where_its_folder_is_searched_anyway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYTHONPATH, an editable installation, a script's folder: one file, however it is found."""
    folder = write(tmp_path, {"mine.py": MINE, "shop/page.py": MINE})
    monkeypatch.syspath_prepend(folder)
    for path in ("mine:parse", "shop.page:parse"):
        own.check(path, folder)
        own.load(path, folder, keep=True)
        own.check(path, folder)


def test_modules_of_a_package_are_themselves(tmp_path: Path) -> None:
    """Relative imports work, and a module is loaded once under its name."""
    files = {
        "shop/__init__.py": "",
        "shop/names.py": "NAME = 'shop'\n",
        "shop/page.py": "from .names import NAME\nimport shop.names\n"
        "def parse(response):\n    return {'name': NAME, 'one': shop.names.NAME is NAME}\n",
    }
    function = own.load("shop.page:parse", write(tmp_path, files), keep=False)
    assert function(PAGE) == {"name": "shop", "one": True}
    assert own.load("shop.page:parse", str(tmp_path), keep=False) is function


def test_neighbours_are_found_behind_everything_else(tmp_path: Path) -> None:
    """T5 (CWE-427): `import helper` finds the neighbour, `import orjson` the library."""
    files = {
        "mine.py": "import helper, orjson\ndef parse(response):\n    return {'at': helper.AT}\n",
        "helper.py": "AT = 'here'\n",
        "orjson.py": "raise SystemExit('taken from the current directory')\n",
    }
    folder = write(tmp_path, files)
    assert own.load("mine:parse", folder, keep=False)(PAGE) == {"at": "here"}
    assert folder not in sys.path
    own.load("mine:parse", folder, keep=True)
    assert sys.path[-1] == folder


def test_without_such_a_file_the_directory_is_not_searched(tmp_path: Path) -> None:
    """An installed parser's own imports are not taken from the current directory."""
    folder = write(tmp_path, {"aiodns.py": "raise SystemExit('taken')\n", "empty/x.txt": ""})
    assert own.load("tests.workers.parsers:hostile", folder, keep=True)(PAGE)["length"] == 0
    assert folder not in sys.path
    with pytest.raises(ConfigurationError, match="No module named 'empty'"):
        own.load("empty:parse", folder, keep=True)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere:parse", "cannot import 'nowhere:parse': no module named 'nowhere'"),
        ("./nowhere.py:parse", r"cannot import '\./nowhere\.py:parse': the file does not exist"),
    ],
)
def test_what_is_not_there_is_known_without_an_import(tmp_path: Path, path: str, said: str) -> None:
    """The crawler's own process says so at once, and leaves the rest to the workers."""
    with pytest.raises(ConfigurationError, match=said):
        own.check(path, str(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import json\n\nnonsense\n", r"NameError: .* \(bad\.py:3\)"),
        ("def parse(:\n", r"SyntaxError: .*bad\.py, line 1\)$"),
        ("import nowhere_at_all\n", r"No module named 'nowhere_at_all' \(bad\.py:1\)"),
        ("raise SystemExit(3)\n", r"SystemExit: 3 \(bad\.py:1\)"),
        ("", "AttributeError: .*no attribute 'parse'"),
        ("parse = 3\n", "is a int, not a function"),
    ],
)
def test_a_module_that_fails_says_where(tmp_path: Path, text: str, said: str) -> None:
    """One line, with the file and the line in it; nothing of it stays loaded."""
    folder = write(tmp_path, {"bad.py": text})
    own.check("bad:parse", folder)
    with pytest.raises(ConfigurationError, match=said):
        own.load("bad:parse", folder, keep=False)


@pytest.mark.parametrize("parse", ["process", "auto"])
def test_the_crawlers_own_process_does_not_import_what_workers_will(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parse: str
) -> None:
    """T5: a parser's code belongs to the processes that are there for it."""
    from crawler.model.config import CrawlConfig

    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"mine.py": "raise SystemExit('imported')\n"})
    parsing = Parsing(CrawlConfig(parse=parse, parser="mine:parse"))
    assert parsing._work.folder == str(tmp_path)
    assert "mine" not in sys.modules and str(tmp_path) not in sys.path
    with pytest.raises(ConfigurationError, match="SystemExit: imported"):
        Parser(parsing._work)


def test_a_worker_goes_on_searching_the_folder(tmp_path: Path) -> None:
    """What a parser imports while it parses is found in its own processes, and last of all."""
    files = {
        "mine.py": "def parse(response):\n    import late\n    return {'at': late.AT}\n",
        "late.py": "AT = 'later'\n",
    }
    parser = Parser(Work(parser="mine:parse", folder=write(tmp_path, files)), isolated=True)
    parsed = parser.parse(PAGE)
    assert b'"parsed":{"at":"later"}' in getattr(parsed, "json", b"")
    assert sys.path[-1] == str(tmp_path)
