"""`python -m tests.wheel`: build the distribution, install it where nothing else is, and use it.

The wheel is built from the source distribution, as an index would have it, and installed with its
own dependencies alone into an empty environment: no sources, no extras, no PYTHONPATH, another
current directory. Each command's help is asked for, a mock web is crawled and loaded, presets are
named, and what is not installed is asked for, which must end in one line that says what to install.

It needs a package index (or pip's cache) and about a minute; `make wheel` runs it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "config" / "constraints.txt"
COMMANDS = (
    "",
    *("crawl", "fetch", "mock", "load", "compare"),
    *("mock urls", "mock score", "mock ledger", "mock faults", "load selftest", "load compare"),
)


class Refuted(Exception):
    """A check that failed, in words."""


class Place:
    """An empty environment, and a directory to run its programs in."""

    def __init__(self, folder: Path, *, with_pip: bool = False) -> None:
        self.folder = folder
        self._bin = folder / "venv" / "bin"
        (folder / "at").mkdir(parents=True)
        venv.create(folder / "venv", with_pip=with_pip)

    def run(self, program: str, *words: str, code: tuple[int, ...] = (0,), at: str = "") -> str:
        """Run a program of the environment; what it printed. Raises `Refuted` on another code."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "CRAWLER"))}
        done = subprocess.run(
            [self._bin / program, *words],
            cwd=at or self.folder / "at",
            env=clean,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode not in code:
            said = (done.stderr or done.stdout)[-2_000:]
            raise Refuted(f"{program} {' '.join(words)}: exit code {done.returncode}\n{said}")
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def install(self, *words: str, into: Place | None = None) -> None:
        """Install packages, in the versions of the tests, here or in another environment."""
        where = ("--python", str((into or self)._bin / "python"))
        self.run("python", "-m", "pip", *where, "-q", "install", "-c", str(CONSTRAINTS), *words)

    @contextmanager
    def serving(self, *words: str) -> Iterator[str]:
        """The address of a mock web."""
        with subprocess.Popen(
            [self._bin / "crawler", "mock", "--port", "0", *words],
            cwd=self.folder / "at",
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process.stdout.readline().strip().rstrip("/") if process.stdout else ""
            finally:
                process.terminate()


def expect(fact: object, words: str) -> None:
    """Raise `Refuted` unless it is so."""
    if not fact:
        raise Refuted(words)


def built(place: Place) -> Path:
    """The wheel, made of the source distribution."""
    folder = place.folder
    place.install("hatchling")
    place.run("hatchling", "build", "-t", "sdist", "-d", str(folder), at=str(ROOT))
    (source,) = folder.glob("crawler_cli-*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder / "source", filter="data")
    (unpacked,) = (folder / "source").iterdir()
    words = ("wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(unpacked))
    place.run("python", "-m", "pip", "-q", *words)
    (wheel,) = folder.glob("crawler_cli-*-py3-none-any.whl")
    return wheel


def contents(wheel: Path, _place: Place) -> None:
    """The wheel holds the package, its type marker, its licence and the presets; nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    presets = {f"crawler/presets/{path.name}" for path in (ROOT / "config").glob("*.toml")}
    expect(presets <= names, f"not in the wheel: {presets - names}")
    files = (p for end in ("py", "css", "j2") for p in (ROOT / "crawler").rglob(f"*.{end}"))
    sources = {path.relative_to(ROOT).as_posix() for path in files}
    expect(sources <= names, f"not in the wheel: {sources - names}")
    expect("crawler/py.typed" in names, "no py.typed in the wheel")
    expect(any(name.endswith("/licenses/LICENSE") for name in names), "no licence in the wheel")
    tops = {name.partition("/")[0].partition("-")[0] for name in names}
    expect(tops == {"crawler", "crawler_cli"}, f"in the wheel: {tops}")


def helps(_wheel: Path, place: Place) -> None:
    """Each command tells its help, and the version is the distribution's."""
    for command in COMMANDS:
        text = place.run("crawler", *command.split(), "--help")
        expect("Usage" in text, f"crawler {command} --help says nothing of its use")
    version = place.run("crawler", "--version")
    code = "from importlib.metadata import version; print(version('crawler-cli'))"
    expect(version == place.run("python", "-c", code), f"crawler --version says {version}")


def crawls(_wheel: Path, place: Place) -> None:
    """A mock web is crawled by each engine, with a preset by its name and parsers in processes."""
    for engine in ("async", "threaded"):
        words = ("--engine", engine, "--parse", "process", "--config", "fast-local", "-q")
        out = place.run("crawler", "crawl", "--mock", "40", *words)
        outcomes = [json.loads(line)["outcome"] for line in out.splitlines()]
        expect(outcomes == ["page"] * 40, f"{engine}: {len(outcomes)} records: {set(outcomes)}")


def loads(_wheel: Path, place: Place) -> None:
    """A mock web is loaded by one process and by two; a scenario by its name."""
    with place.serving("--scenario", "mock-queue") as url:
        for processes in ("1", "2"):
            words = ("--requests", "60", "-c", "2", "--processes", processes, "--json")
            out = place.run("crawler", "load", f"{url}/page/0", *words, code=(0, 5))
            found = json.loads(out.rpartition("}")[0] + "}")
            expect('"200": 60' in json.dumps(found), f"load: {processes} processes: {out[:400]}")


def hints(_wheel: Path, place: Place) -> None:
    """What needs an extra says in one line which; so does a preset that is none."""
    for words, said in (
        ("mock --tls --port 0", "pip install 'crawler-cli[mock]'"),
        ("load http://127.0.0.1:9/ --report a.html", "pip install 'crawler-cli[report]'"),
        ("compare cpu --quick --report report", "pip install 'crawler-cli[report]'"),
        ("crawl --config nosuch http://127.0.0.1:9/", "the presets are default, fast-local"),
    ):
        text = place.run("crawler", *words.split(), code=(2, 3))
        expect(said in text and text.count("\n") == 1, f"crawler {words} says: {text}")


CHECKS: tuple[Callable[[Path, Place], None], ...] = (contents, helps, crawls, loads, hints)


def main() -> int:
    """Run all checks; 1 if one was refuted."""
    with TemporaryDirectory(prefix="wheel-") as name:
        try:
            tools, place = Place(Path(name, "tools"), with_pip=True), Place(Path(name, "use"))
            wheel = built(tools)
            tools.install(str(wheel), into=place)
            for check in CHECKS:
                check(wheel, place)
                print(f"ok  {(check.__doc__ or '').strip()}", flush=True)
        except Refuted as error:
            print(f"wheel: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
