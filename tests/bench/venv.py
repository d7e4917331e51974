"""The peers' own environment: made once, used again until their versions or Python change."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.real.debian import Unavailable

REQUIREMENTS = Path(__file__).parent / "peers" / "requirements.txt"


def ensure(directory: Path) -> Path:
    """The Python of an environment with the peers in it; raise `Unavailable` if none can be made.

    uv makes it where there is one, `venv` and pip elsewhere.
    """
    python = directory / "bin" / "python"
    stamp = directory / "made-for.txt"
    wanted = f"{sys.version}\n{REQUIREMENTS.read_text()}"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(directory, ignore_errors=True)
    for words in _steps(directory, python):
        _run(words)
    stamp.write_text(wanted)
    return python


def version(python: Path, package: str) -> str:
    """The version of `package` in the environment of `python`."""
    asked = f"import importlib.metadata as m; print(m.version({package!r}))"
    said = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
    return said.stdout.strip()


def _steps(directory: Path, python: Path) -> list[list[str]]:
    uv = shutil.which("uv")
    if uv is not None:
        install = [uv, "pip", "install", "-q", "--python", str(python), "-r", str(REQUIREMENTS)]
        return [[uv, "venv", "-q", "--python", sys.executable, str(directory)], install]
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    return [[sys.executable, "-m", "venv", str(directory)], [*install, "-r", str(REQUIREMENTS)]]


def _run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Unavailable(f"the peers cannot be installed: {''.join(last) or words[0]}")
