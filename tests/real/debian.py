"""The two Debian packages that `make real` and `make bench` serve and are served by.

`nginx-light` is the server, `python3.11-doc` the pages. Both come from apt when they are missing
and we are root; otherwise one line says what to install. The install never leaves an nginx of the
system running: Debian asks `policy-rc.d` before it starts a service, so a policy that refuses is
put there for the time of the install, unless the machine already has a policy of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DOCS = Path("/usr/share/doc/python3.11/html")
_PACKAGES = ("nginx-light", "python3.11-doc")
_POLICY = Path("/usr/sbin/policy-rc.d")
_FORBIDDEN = 101  # the exit code by which a policy says "do not start it"
_SBIN = "/usr/sbin:/usr/local/sbin"


class Unavailable(Exception):
    """The server or its pages are not on this machine; the message says what to do about it."""


def nginx_program() -> str | None:
    """The path of nginx, looked for in PATH and in the sbin directories; None if missing."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")


def missing() -> list[str]:
    """The names of the Debian packages that still have to be installed."""
    found = (nginx_program() is not None, (DOCS / "index.html").is_file())
    return [name for name, there in zip(_PACKAGES, found, strict=True) if not there]


def ensure_installed() -> None:
    """Install what is missing with apt, as root; raise `Unavailable` when that cannot be done."""
    wanted = missing()
    if not wanted:
        return
    how = f"apt-get install {' '.join(wanted)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Unavailable(f"{' and '.join(wanted)} missing: run `{how}` as root (Debian 12)")
    with _no_service_starts():
        _install(wanted)
    if still := missing():
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
