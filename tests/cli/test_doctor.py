"""`crawler doctor`: each check sees its wrong side, says what it means and what to do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from crawler.cli.app import run
from crawler.runtime import machine_limits, surroundings
from crawler.runtime.limit_finding import Gravity, LimitFinding
from crawler.runtime.surroundings import TimedLookUp, clock, dns, ipv6, proxies, tls
from tests.runtime.test_limits import V2, machine

GROUP = {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2}
PORTS = "proc/sys/net/ipv4/ip_local_port_range"


def found(check: Callable[[str], LimitFinding], root: Path, files: dict[str, str]) -> LimitFinding:
    """What a check finds on a made-up machine."""
    return check(machine(root, {**GROUP, **files}))


def judged(finding: LimitFinding) -> tuple[str, str]:
    """The gravity, and what it means for a crawl; what is wrong and can be mended has a command."""
    assert bool(finding.command) == (finding.gravity in (Gravity.WARNING, Gravity.PROBLEM))
    return finding.gravity.value, finding.means


def test_too_few_descriptors() -> None:
    """Below what the default width needs a crawl is refused, a little above names may suffer."""
    assert judged(machine_limits.descriptors(511)) == (
        "problem",
        "a crawl with --concurrency 256 is refused",
    )
    assert judged(machine_limits.descriptors(1_024))[0] == "warning"
    assert judged(machine_limits.descriptors(10_256)) == ("ok", "up to 10,000 requests in flight")


@pytest.mark.parametrize(
    ("range", "gravity"),
    [("32768 60999", "ok"), ("60000\t60999", "warning"), ("60000 60099", "problem")],
)
def test_too_few_ports(tmp_path: Path, range: str, gravity: str) -> None:
    """Each closed connection keeps its port for a minute; fewer ports than slots are a problem."""
    finding = found(machine_limits.ports, tmp_path, {PORTS: f"{range}\n"})
    assert judged(finding)[0] == gravity
    assert "new connections a second" in finding.means


def test_ports_that_are_not_told_are_unknown(tmp_path: Path) -> None:
    """A system without that file is neither good nor bad."""
    assert judged(machine_limits.ports(str(tmp_path)))[0] == "note"


def test_less_than_a_core(tmp_path: Path) -> None:
    """A quota below one core is a warning, with the quota."""
    finding = found(machine_limits.cores, tmp_path, {"{cgroup}/cpu.max": "20000 100000\n"})
    assert judged(finding)[0] == "warning" and "0.2 granted by a control group" in finding.found


@pytest.mark.parametrize(
    ("megabytes", "gravity"), [(64, "problem"), (256, "warning"), (4096, "ok")]
)
def test_too_little_memory(tmp_path: Path, megabytes: int, gravity: str) -> None:
    """The control group counts, not the machine's 64 GB."""
    files = {"{cgroup}/memory.max": f"{megabytes * 2**20}\n"}
    assert judged(found(machine_limits.memory, tmp_path, files))[0] == gravity


def test_names_that_cannot_be_looked_up() -> None:
    """A refusal and a silence are problems, unless a proxy resolves names."""

    def refuse(_name: str, _port: int) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    refused = TimedLookUp("a.test", refuse)
    assert judged(dns(refused)) == ("problem", "URLs with names fail as dns")
    assert "Temporary failure" in dns(refused).found
    assert judged(dns(refused, proxied=True))[0] == "note"
    answer = threading.Event()
    silent = TimedLookUp("a.test", lambda _name, _port: answer.wait(), patience=0.01)
    assert judged(dns(silent))[0] == "problem" and "no answer within 0.01 s" in dns(silent).found
    answer.set()


def test_names_that_take_long() -> None:
    """A second for one name is a warning."""
    slow = TimedLookUp("a.test", lambda _name, _port: None)
    slow.seconds = 1.5
    assert judged(dns(slow))[0] == "warning" and "1,500 ms" in dns(slow).found


def test_no_way_to_ipv6() -> None:
    """A note, as nearly every host has IPv4; a link-local address without a link has no route."""
    assert judged(ipv6("fe80::1"))[0] == "note"


def test_a_wrong_clock() -> None:
    """Earlier than the program's own files it is a problem, not kept in time a warning."""
    assert judged(clock(1_000.0, 5_000.0, synchronised=True))[0] == "problem"
    assert judged(clock(5_000.0, 1_000.0, synchronised=False))[0] == "warning"
    assert judged(clock(5_000.0, 1_000.0, synchronised=None))[0] == "note"
    assert judged(clock(5_000.0, 1_000.0, synchronised=True))[0] == "ok"


def test_no_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without anybody to trust every https URL fails."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert judged(tls()) == ("problem", "every https URL fails as tls")


def test_proxies_of_the_environment() -> None:
    """One that is used is a note without its password, one that cannot be read a problem."""
    used = proxies({"https_proxy": "http://me:secret@proxy.test:3128"})
    assert judged(used)[0] == "note" and "proxy.test" in used.found and "secret" not in used.found
    assert judged(proxies({"http_proxy": "ftp://proxy.test"}))[0] == "problem"
    assert judged(proxies({}))[0] == "ok"


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Nine findings in 80 columns, or as JSON; the exit code is 1 if one of them is a problem."""
    code = run(["doctor", "127.0.0.1"])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert code == run(["doctor", "127.0.0.1", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in document] == [
        *("descriptors", "ports", "cores", "memory", "dns", "ipv6", "clock", "tls", "proxies")
    ]
    assert all(each["name"] in text and each["means"] for each in document)
    assert code == any(each["gravity"] == "problem" for each in document)


def test_a_proxy_that_cannot_be_read_does_not_end_the_checks() -> None:
    """It is one finding of five."""
    found = surroundings.examined("127.0.0.1", {"all_proxy": "gopher://x"})
    assert [each.gravity for each in found if each.name == "proxies"] == [Gravity.PROBLEM]
    assert len(found) == 5
