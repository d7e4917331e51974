"""`crawler crawl --follow` as a person runs it: what is written, what is said, and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from crawler.cli import main
from crawler.mock import MockWeb, running
from crawler.model.errors import ExitCode
from tests.legal import check
from tests.patience import PATIENCE

from .test_command import crawler, started, wait_for_requests

FAST = ("--follow", "--scope", "any", "--depth", "0", "--delay", "0", "--ip-delay", "0")
HERE = ("--allow-network", "127.0.0.0/8")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_a_followed_crawl_has_a_perfect_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: str
) -> None:
    """From one seed, with all manners: legal records, a perfect score, an audit that agrees."""
    records, audit = tmp_path / "out.jsonl", tmp_path / "audit.jsonl"
    words = ("-o", str(records), "--audit", str(audit), "--backoff", "0.01", "--engine", engine)
    words += ("--parse", "inline")
    with running(MockWeb(pages=200, hosts=4, seed=3)) as web:
        assert main(["crawl", f"{web.url}/", *FAST, *HERE, *words]) == ExitCode.FINISHED
        said = capsys.readouterr().err
        assert main(["mock", "score", str(records), "--web", web.url]) == ExitCode.FINISHED
        capsys.readouterr()
        ledger = web.ledger()
        names = {web.options.authority_of(host) for host in range(4)}
    assert max(map(len, said.splitlines())) <= 80
    assert "every URL is accounted for: 1 read + " in said
    for line in records.read_text(encoding="utf-8").splitlines():
        check(json.loads(line))
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    requests = {line["host"].partition("//")[2]: line["requests"] for line in lines}
    assert set(requests) == names
    assert requests == {name: row.requests for name, row in ledger.hosts.items()}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["async", "threaded"])
def test_a_signal_while_following_leaves_the_account_even(tmp_path: Path, engine: str) -> None:
    """Ctrl-C amid links, more of them than the window holds: a record for all that was taken up."""
    output = tmp_path / "out.jsonl"
    words = ("-o", str(output), "--engine", engine, "--window", "20", "--drain-timeout", "2")
    words += ("--state", "none")
    with (
        running(MockWeb(pages=5_000, hosts=4, latency=0.02)) as web,
        started("crawl", f"{web.url}/", *FAST, *HERE, *words) as process,
    ):
        wait_for_requests(web, 200, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (ExitCode.INTERRUPTED, "")
    assert "Traceback" not in err
    assert "stopping: finishing" in err
    account = next(line for line in err.splitlines() if line.startswith("every URL is accounted"))
    numbers = [int(word.replace(",", "")) for word in account.split() if word[0].isdigit()]
    read, found, records, repeats, *waited = numbers
    assert read + found == records + repeats + sum(waited)
    assert len(output.read_text(encoding="utf-8").splitlines()) == records
    # Those that wait on disk have theirs, too, unless the drain's time was too short for them.
    assert re.search(r"outcomes .*interrupted \d", err)
    assert bool(waited) == bool(re.search(r"interrupted: [\d,]+ found URLs have no record", err))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_an_audit_without_room_costs_the_audit_alone(tmp_path: Path) -> None:
    """The full disk is the first line; all is crawled, written and summed up; exit code 3."""
    output = tmp_path / "out.jsonl"
    with running(MockWeb(pages=20)) as web:
        words = ("-o", str(output), "--audit", "/dev/full")
        code, out, err = crawler("crawl", f"{web.url}/", *FAST, *HERE, *words)
    assert (code, out) == (ExitCode.ENVIRONMENT, "")
    assert err.splitlines()[0] == "crawler: /dev/full: cannot be written: No space left on device"
    assert err.splitlines()[-1].startswith("every URL is accounted for")
