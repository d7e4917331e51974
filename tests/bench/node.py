"""A peer from npm, in a directory of the benchmark's own environment."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

AUTOCANNON = "8.0.0"


def autocannon(directory: Path) -> list[str] | None:
    """The command that runs autocannon; None where there is no Node.js to run it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    place = directory / "node"
    script = place / "node_modules" / "autocannon" / "autocannon.js"
    if not script.exists():
        place.mkdir(parents=True, exist_ok=True)
        words = [npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
        package = f"autocannon@{AUTOCANNON}"
        done = subprocess.run([*words, "--prefix", str(place), package], check=False)
        if done.returncode != 0:
            return None
    return [node, str(script)]
