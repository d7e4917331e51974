"""The Debian packages that tests and benchmarks use: servers, pages, and clients not made here.

`nginx-light` is the server and `python3.11-doc` the pages of `make real` and `make bench`; `curl`,
`wrk` and `hey` are clients of servers made here, and `chromium` looks at reports. They come from
apt when they are missing and we are root; otherwise one line says what to install. The install
never leaves an nginx of the system running: Debian asks `policy-rc.d` before it starts a service,
so a policy that refuses is put there for the time of the install, unless the machine already has a
policy of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

DOCS = Path("/usr/share/doc/python3.11/html")
PAGES = ("nginx-light", "python3.11-doc")
CLIENTS = ("curl", "wrk", "hey", "chromium")
"""What tests drive servers and look at pages with; those that are missing skip their tests."""

_POLICY = Path("/usr/sbin/policy-rc.d")
_FORBIDDEN = 101  # the exit code by which a policy says "do not start it"
_SBIN = "/usr/sbin:/usr/local/sbin"


class Unavailable(Exception):
    """The server or its pages are not on this machine; the message says what to do about it."""


def nginx_program() -> str | None:
    """The path of nginx, looked for in PATH and in the sbin directories; None if missing."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")


_FOUND: Mapping[str, Callable[[], bool]] = {
    "nginx-light": lambda: nginx_program() is not None,
    "python3.11-doc": (DOCS / "index.html").is_file,
    "curl": lambda: shutil.which("curl") is not None,
    "wrk": lambda: shutil.which("wrk") is not None,
    "chromium": lambda: shutil.which("chromium") is not None,
    "hey": lambda: shutil.which("hey") is not None,
}


def missing(packages: Sequence[str] = PAGES) -> list[str]:
    """Which of the packages still have to be installed."""
    return [name for name in packages if not _FOUND[name]()]


def ensure_installed(packages: Sequence[str] = PAGES) -> None:
    """Install what is missing with apt, as root; raise `Unavailable` when that cannot be done."""
    wanted = missing(packages)
    if not wanted:
        return
    how = f"apt-get install {' '.join(wanted)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Unavailable(f"{' and '.join(wanted)} missing: run `{how}` as root (Debian 12)")
    with _no_service_starts():
        _install(wanted)
    if still := missing(packages):
        raise Unavailable(f"{' and '.join(still)} missing although `{how}` succeeded")


def _install(packages: list[str]) -> None:
    """Install with the package lists as they are; on failure refresh them once and try again."""
    # Slim images drop /usr/share/doc as they unpack; the pages are all we came for.
    keep = f"Dpkg::Options::=--path-include={DOCS.parent}/*"
    command = ["install", "-y", "-qq", "--no-install-recommends", "-o", keep, *packages]
    if _apt(command).returncode == 0:
        return
    _apt(["update", "-qq"])
    second = _apt(command)
    if second.returncode != 0:
        last = (second.stderr.strip() or "no message").splitlines()[-1]
        raise Unavailable(f"apt-get could not install {' and '.join(packages)}: {last}")


def _apt(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run apt-get without questions; its output is kept for the error message alone."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        ["apt-get", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Forbid service starts while a package is installed; a policy that exists is respected."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(f"#!/bin/sh\nexit {_FORBIDDEN}\n")
    try:
        _POLICY.chmod(0o755)
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def main() -> int:
    """Install the clients (`make debian`); 1 if that cannot be done, with the reason."""
    try:
        ensure_installed(CLIENTS)
    except Unavailable as error:
        print(f"make debian: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
