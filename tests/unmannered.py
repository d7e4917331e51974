"""A crawl without manners, said openly, for tests that are about something else.

Their servers run on loopback and bear anything. What is on by default, and that it is, is tested in
`tests/engine/test_manners.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

CONFIG = Path(__file__).parents[1] / "config"

WORDS = ("--config", str(CONFIG / "fast-local.toml"), "--client", "aiohttp")
"""For a command line: no manners, any address, no retries; the client is the default one."""

MANNERS_OFF: dict[str, Any] = {
    "robots": "ignore",
    "delay": 0.0,
    "per_ip": 0,
    "ip_delay": 0.0,
    "adapt": False,
    "breaker": 0,
    "throttle": 0.0,
}
"""For the Python interface; how many are in flight to a host, each test says itself."""
