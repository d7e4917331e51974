"""No command takes code from the current directory, in any of its processes (CWE-427)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.patience import PATIENCE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("crawler")
OPTIONAL = (
    "aiodns",
    "brotlicffi",
    "h2",
    "cchardet",
    "simplejson",
    "pycares",
    "isal",
    "zlib_ng",
    "socks",
)
"""What libraries would use if it were installed."""
OURS = ("crawl_plugin", "sitecustomize", "usercustomize", "trap")
TRAP = """
import os
with open(os.environ["TRAP"], "a") as told:
    told.write(__name__ + "\\n")
"""
PARSER = "import trap_neighbour\ndef parse(response):\n    return {'at': trap_neighbour.AT}\n"
PARSER += "def one():\n    return 1\n"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a trap for each module of the library, of packages, and of neither."""
    folder = tmp_path_factory.mktemp("downloads")
    installed = {path.name for each in sys.path for path in _entries(each)}
    names = {name.partition(".")[0] for name in installed}
    for name in {*names, *sys.stdlib_module_names, *OPTIONAL, *OURS}:
        if name.isidentifier() and name not in ("crawler", "tests"):
            (folder / f"{name}.py").write_text(TRAP)
    (folder / "mine.py").write_text(PARSER)
    (folder / "trap_neighbour.py").write_text("AT = 'here'\n")
    return folder


def _entries(folder: str) -> Sequence[Path]:
    with contextlib.suppress(OSError):
        return [path for path in Path(folder).iterdir() if path.suffix in ("", ".py", ".so")]
    return []


def run(at: Path, *command: str, **options: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run a command there; also what fell into a trap."""
    told = at / ".told"
    told.unlink(missing_ok=True)
    done = subprocess.run(
        command,
        cwd=at,
        env={**_environment(), "TRAP": str(told), **options},
        capture_output=True,
        text=True,
        timeout=5 * PATIENCE,  # a comparison is no single event
        check=False,
    )
    return done, told.read_text() if told.exists() else ""


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}


def test_the_traps_work(at: Path) -> None:
    """Plain Python walks into them: `python -c` searches the current directory first."""
    _, told = run(at, sys.executable, "-c", "import frostwork, struct_, socket")
    assert "frostwork" in told


CRAWL = ("crawl", "--mock", "12", "-q", "-o", "/dev/null")
PROCESSES = ("--parse", "process", "--parse-workers", "2")


@pytest.mark.parametrize(
    "words",
    [
        (*CRAWL,),
        (*CRAWL, "--engine", "threaded", "--parse", "thread", "--html", "lexbor"),
        (*CRAWL, "--loop", "asyncio", *PROCESSES, "--parser", "mine:parse"),
        (*CRAWL, "--engine", "threaded", "--parse", "inline", "--parser", "./mine.py:parse"),
        ("compare", "call", "mine:one", "--quick", "--rounds", "1", "-q"),
    ],
)
def test_no_process_of_a_command_runs_what_lies_there(at: Path, words: tuple[str, ...]) -> None:
    """T5: main process, workers, fork server, resource tracker, turns and their pools."""
    done, told = run(at, str(COMMAND), *words)
    assert told == ""
    assert done.returncode in (0, 5), done.stderr


def test_neither_do_the_processes_of_mock_and_load(at: Path) -> None:
    """T5: the mock's workers and the load's, with a mock web that is asked until it ends."""
    told = at / ".told"
    told.unlink(missing_ok=True)
    mock = subprocess.Popen(
        [str(COMMAND), "mock", "--port", "0", "--processes", "2"],
        cwd=at,
        env={**_environment(), "TRAP": str(told)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with mock:
        assert mock.stdout is not None
        url = mock.stdout.readline().strip()
        words = ("load", f"{url}/page/0", "--processes", "2", "-c", "2", "--requests", "40", "-q")
        done, fell = run(at, str(COMMAND), *words)
        mock.terminate()
    assert (fell, told.exists()) == ("", False)
    assert done.returncode in (0, 5), done.stderr


def test_python_m_takes_nothing_more_than_python_itself_does(at: Path, tmp_path: Path) -> None:
    """T5: `python -m` has that directory in front; what an empty package takes is all it takes."""
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "__main__.py").touch()
    bare = tmp_path / "bare"
    shutil.copytree(at, bare)
    (bare / "importlib.py").unlink()  # Python does not start at all with this one
    taken, told = {"importlib"}, "?"
    while told:
        _, told = run(bare, sys.executable, "-m", "nothing", PYTHONPATH=str(tmp_path))
        for name in told.split():
            taken.add(name)
            (bare / f"{name}.py").unlink(missing_ok=True)
    assert len(taken) < 20
    done, told = run(bare, sys.executable, "-m", "crawler", *CRAWL, "--parse", "process")
    assert (done.returncode, told) == (0, ""), done.stderr


def test_python_m_with_a_safe_path_takes_nothing_at_all(at: Path) -> None:
    """T5: with `-P` Python itself takes nothing either."""
    done, told = run(at, sys.executable, "-P", "-m", "crawler", *CRAWL, "--parse", "process")
    assert (done.returncode, told) == (0, ""), done.stderr


def test_pythonpath_counts(at: Path, tmp_path: Path) -> None:
    """Who asks for a folder gets it, in the parser's processes as well."""
    (tmp_path / "asked_for.py").write_text("def parse(response):\n    return {'asked': 1}\n")
    words = ("crawl", "--mock", "3", "-q", "--parser", "asked_for:parse")
    done, told = run(at, str(COMMAND), *words, PYTHONPATH=str(tmp_path))
    assert (done.returncode, told) == (0, ""), done.stderr
    assert '"parsed":{"asked":1}' in done.stdout
