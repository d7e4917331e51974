"""The control paths: looking into a running web and changing it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from crawler.mock import MockWeb, Served, running
from crawler.mock.judge import truth
from crawler.mock.reply import Ask
from crawler.mock.server.control import FIXED, Control
from tests.patience import PATIENCE

from .conftest import ask


@pytest.fixture(scope="module", params=[1, 2])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A web of one process, and one of two."""
    with running(MockWeb(pages=40, processes=request.param)) as served:
        yield served


@pytest.fixture
def web(served: Served) -> Iterator[Served]:
    """The web as it was when it was started."""
    options = call(served, "/__scenario")
    yield served
    call(served, "/__scenario", "PUT", options)
    call(served, "/__reset", "POST")


def call(web: Served, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
    """The body of a control path's answer; HTTPError for another status than 200."""
    request = urllib.request.Request(web.url + path, data=body, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
        data: bytes = reply.read()
    return data


def refused(web: Served, path: str, method: str = "GET", body: bytes | None = None) -> str:
    """The status and the one line of a refusal."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        call(web, path, method, body)
    with caught.value as error:
        text = error.read().decode()
    assert text.count("\n") == 1
    return f"{error.code} {text.strip()}"


def put(web: Served, body: str) -> dict[str, object]:
    """The options after a change."""
    found: dict[str, object] = json.loads(call(web, "/__scenario", "PUT", body.encode()))
    return found


def test_options_survive_the_way_through_json() -> None:
    """Every option, distributions and lists included, reads back as it was."""
    options = MockWeb(latency="lognormal:0.1,0.5", robots=("User-agent: *",), tls=True, rate=2.5)  # type: ignore[arg-type]
    assert MockWeb.of(json.loads(json.dumps(options.plain_values()))) == options
    assert options.changed({"rate": 3.0}).rate == 3


@pytest.mark.slow
def test_the_scenario_is_shown_with_its_port(web: Served) -> None:
    """GET gives every option in force, with the port that was had: enough to score a crawl."""
    shown = json.loads(call(web, "/__scenario"))
    assert MockWeb.of(shown) == web.options
    assert shown["port"] == web.port


def test_a_change_is_in_force_everywhere_before_it_is_answered(web: Served) -> None:
    """After a PUT every new connection, to any process, sees the new options."""
    for number, size in enumerate((5000, 7000, 6000)):
        shown = put(web, json.dumps({"page_bytes": size, "seed": number}))
        assert shown["page_bytes"] == size
        bodies = {ask(web, "/page/3").partition(b"\r\n\r\n")[2] for _ in range(12)}
        assert [len(body) for body in bodies] == [size]
        assert (web.options.page_bytes, web.options.seed) == (size, number)


def test_a_change_in_toml(web: Served) -> None:
    """A scenario file's text changes the web as it stands."""
    shown = put(web, '# slow\n[mock]\nlatency = "uniform:0,0.01"\nrobots = ["User-agent: *"]\n')
    assert (shown["latency"], shown["robots"]) == ("uniform:0,0.01", ["User-agent: *"])
    assert shown["pages"] == 40


def test_all_options_may_be_put_back(web: Served) -> None:
    """What GET shows is a good PUT, the fixed options included as long as they are the same."""
    assert put(web, call(web, "/__scenario").decode()) == web.options.plain_values()


BAD = {
    '{"latncy": 1}': "400 latncy: no such option; did you mean latency?",
    '{"pages": "many"}': "400 pages: 'many' is not a whole number",
    '{"pages": 0}': "400 pages: 0 is too small; the minimum is 1",
    '{"pages"': "400 expected JSON",
    "latency = 1": "400 TOML needs one table, [mock], and nothing else",
    "[mock]\nlatency = = 1": "400 expected JSON or TOML: ",
    "[mock]\n[other]": "400 TOML needs one table",
    "": "400 TOML needs one table",
    '{"port": 1}': "409 port: cannot change while the web is served",
    '{"processes": 3}': "409 processes: cannot",
    '{"hosts": 2}': "409 hosts: cannot",
}


@pytest.mark.parametrize("body", BAD)
def test_a_bad_change_is_refused_in_one_line(web: Served, body: str) -> None:
    """A typo, a bad value, a fixed option: named in one line, and nothing has changed."""
    before = call(web, "/__scenario")
    assert refused(web, "/__scenario", "PUT", body.encode()).startswith(BAD[body])
    assert call(web, "/__scenario") == before


def test_toml_errors_name_the_line(web: Served) -> None:
    """A syntax error says where it is."""
    assert "line 3" in refused(web, "/__scenario", "PUT", b"[mock]\nseed = 1\nlatency = = 1\n")


def test_a_huge_change_is_refused(web: Served) -> None:
    """A body over the bound is a 413, and the server lives."""
    assert refused(web, "/__scenario", "PUT", b"[mock]\n" + b"#" * 100_000).startswith("413")
    assert call(web, "/__ready") == b"ready\n"


def test_what_is_fixed_is_an_option() -> None:
    """The names of the fixed options are right."""
    assert set(FIXED) < set(MockWeb.options())


def test_the_truth_is_streamed(web: Served) -> None:
    """/__truth is what the library says, line by line, and so is its summary."""
    assert call(web, "/__truth") == b"".join(truth.lines(web.options))
    assert json.loads(call(web, "/__truth?summary")) == json.loads(
        json.dumps(truth.summary(web.options))
    )


def test_a_long_truth_does_not_keep_others_waiting(web: Served) -> None:
    """While a client reads no truth of many pages, and after it has gone, others are served."""
    put(web, '{"pages": 1000000}')
    with urllib.request.urlopen(f"{web.url}/__truth", timeout=PATIENCE) as reply:
        assert json.loads(reply.readline())
        assert call(web, "/__ready") == b"ready\n"
    assert call(web, "/__ready") == b"ready\n"


def test_statistics_and_reset(web: Served) -> None:
    """The counters cover all processes, without the control paths, and can be set back."""
    for number in range(10):
        ask(web, f"/page/{number}")
    shown = json.loads(call(web, "/__statistics"))
    assert (shown["requests"], shown["processes"]) == (10, web.options.processes)
    assert call(web, "/__reset", "POST") == b"forgotten\n"
    assert json.loads(call(web, "/__statistics"))["requests"] == 0
    assert (web.statistics().requests, web.recent()) == (0, ())


def test_a_reset_forgets_attempts(web: Served) -> None:
    """A page that fails once and then works fails once again after a reset."""
    found = []
    for _ in range(2):
        found += [ask(web, "/flaky/1/name")[9:12] for _ in range(3)]
        call(web, "/__reset", "POST")
    assert found == [b"503", b"200", b"200"] * 2


def test_the_ledger_covers_all_processes(web: Served) -> None:
    """Requests to every process are in the ledger, control paths are not, a reset empties it."""
    for number in range(10):
        ask(web, f"/page/{number}")
    ask(web, "/private/1")
    host = json.loads(call(web, "/__ledger"))["hosts"]["mock.test"]
    assert (host["requests"], host["robots_violations"]) == (11, 1)
    call(web, "/__reset", "POST")
    assert json.loads(call(web, "/__ledger"))["hosts"] == {}


def test_the_catalogue_is_shown(web: Served) -> None:
    """Every fault has a group, a name and a line of help."""
    rows = json.loads(call(web, "/__faults"))
    assert len(rows) >= 60
    assert all(row["group"] and row["name"] and row["help"] for row in rows)


def test_without_tls_there_is_no_authority(web: Served) -> None:
    """/__ca.pem says that there is nothing to trust."""
    assert refused(web, "/__ca.pem").startswith("404 no certificate")


def test_wrong_methods_and_paths(web: Served) -> None:
    """An unknown control path is a 404 that names the known ones, a wrong method a 405."""
    assert refused(web, "/__nothing").startswith("404 no control path /__nothing; there are /__rea")
    assert refused(web, "/__reset") == "405 /__reset takes POST"
    assert refused(web, "/__scenario", "DELETE") == "405 /__scenario takes GET, PUT"


def test_head_is_get_without_a_body(web: Served) -> None:
    """HEAD works wherever GET does."""
    assert call(web, "/__ready", "HEAD") == b""


async def test_a_fleet_that_cannot_answer_is_a_503() -> None:
    """When the other processes cannot be asked, the client is told so."""
    from crawler.model.errors import EnvironmentFailure

    async def nobody(order: str, argument: object) -> list[object]:
        raise EnvironmentFailure("the mock web has stopped")

    async def no_ledger() -> object:
        return {}

    control = Control(options=MockWeb, everyone=nobody, ledger=no_ledger, catalogue=list)
    reply = await control.answer(Ask(target="/__reset", method="POST"), b"")
    assert (reply.status, reply.body) == (503, b"the mock web has stopped\n")
