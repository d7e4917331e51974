"""The recipes of docs/recipes, as far as they can be tried without a network."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from crawler.cli import main
from crawler.mock import MockWeb, running
from tests.patience import PATIENCE
from tests.unmannered import WORDS

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "docs" / "recipes"


def text(name: str) -> str:
    return (RECIPES / name).read_text(encoding="utf-8")


def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(text("compose.yaml"))["services"]
    return services


def accepted(*words: str) -> bool:
    """Whether `crawler WORDS` is a crawl that could begin."""
    return main([*words, "--print-config"]) == 0


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command as if it were installed, first on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "crawler"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m crawler "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return script


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_the_unit_is_one(tmp_path: Path, command: Path) -> None:
    """systemd finds nothing to say about it, once its command is installed."""
    unit = tmp_path / "crawler.service"
    unit.write_text(text("crawler.service").replace("/opt/crawler/bin/crawler", str(command)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "crawler.service" in line]
    assert (done.returncode, said) == (0, [])


def test_the_units_command_is_accepted() -> None:
    """Each of its options exists; and it waits for the drain before it kills."""
    (line,) = re.findall(r"^ExecStart=(.*)$", text("crawler.service"), re.MULTILINE)
    _, *words = shlex.split(line)
    assert accepted(*words)
    (wait,) = re.findall(r"^TimeoutStopSec=(\d+)$", text("crawler.service"), re.MULTILINE)
    assert int(wait) > 8 + 10


def test_the_image_has_two_stages_and_no_root() -> None:
    """What is copied exists, nobody runs as root, and its health is what `crawler status` says."""
    lines = text("Dockerfile").replace("\\\n", "").splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    verbs = [each[0] for each in words]
    assert verbs.count("FROM") == 2 and all(
        "slim" in each[1] for each in words if each[0] == "FROM"
    )
    last = verbs[len(verbs) - 1 - verbs[::-1].index("FROM") :]
    assert "USER" in last and last.index("USER") < last.index("ENTRYPOINT")
    assert words[verbs.index("USER")][1] != "root"
    for each in words:
        if each[0] == "COPY" and not each[1].startswith("--from"):
            assert all((ROOT / name).exists() for name in each[1:-1])
    assert 'CMD ["crawler", "status", "out.jsonl"]' in text("Dockerfile")


def test_the_services_fit_together() -> None:
    """Files that are mounted exist; the port that is scraped is the one that is served."""
    services = compose()
    for service in services.values():
        for volume in service["volumes"]:
            place = (RECIPES / volume.split(":")[0]).resolve()
            assert place.exists() or place == RECIPES / "data", place
    crawl = services["crawler"]["command"]
    assert accepted(*crawl)
    assert (RECIPES / services["crawler"]["build"]["context"] / "docs/recipes/Dockerfile").exists()
    (port,) = [word.partition("=")[2] for word in crawl if word.startswith("--metrics=")]
    (job,) = yaml.safe_load(text("prometheus.yml"))["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"127.0.0.1:{port}"]}]
    assert {services[name]["network_mode"] for name in ("crawler", "grafana")} == {
        "service:prometheus"
    }
    assert services["prometheus"]["ports"] == ["127.0.0.1:3000:3000"]


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    """The source's address is where Prometheus listens; the dashboard is where it is looked for."""
    services = compose()
    (source,) = yaml.safe_load(text("grafana-source.yaml"))["datasources"]
    listens = services["prometheus"]["command"][1].partition("=")[2]
    assert source["url"] == f"http://{listens}" and source["isDefault"]
    (provider,) = yaml.safe_load(text("grafana-dashboards.yaml"))["providers"]
    mounted = [volume.split(":")[1] for volume in services["grafana"]["volumes"]]
    assert any(place.startswith(provider["options"]["path"]) for place in mounted)


def test_the_crontab_has_five_fields_and_a_command() -> None:
    """cron takes % for a line's end, so there is none; the options exist."""
    lines = [line for line in text("crontab").splitlines() if line and line[0] not in "#P"]
    (line,) = lines
    *fields, rest = line.split(maxsplit=5)
    assert all(re.fullmatch(r"[\d*,/-]+", field) for field in fields) and "%" not in line
    script, _, *words = shlex.split(rest)
    assert (RECIPES / Path(script).name).stat().st_mode & 0o111
    assert accepted("crawl", "-i", "list.txt", "-o", "out.jsonl", *words)


@pytest.mark.slow
def test_a_list_is_crawled_again(tmp_path: Path, command: Path) -> None:
    """The second day asks for what has changed since the first; a third call has nothing to do."""
    day = command.with_name("date")
    with running(MockWeb(pages=5)) as web:
        (tmp_path / "list.txt").write_text("\n".join(web.urls()))
        for name in ("2026-11-29", "2026-11-30", "2026-11-30"):
            day.write_text(f"#!/bin/sh\necho {name}\n")
            day.chmod(0o755)
            recrawl = [str(RECIPES / "recrawl.sh"), str(tmp_path), *WORDS]
            done = subprocess.run(
                recrawl, capture_output=True, text=True, check=True, timeout=PATIENCE
            )
    assert "2026-11-30.jsonl is complete" in done.stderr
    assert (tmp_path / "latest.jsonl").readlink() == Path("2026-11-30.jsonl")
    second = (tmp_path / "latest.jsonl").read_text()
    assert second.count('"changed"') + second.count('"unchanged"') >= 5
    assert len(second.splitlines()) == 5
