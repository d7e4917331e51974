"""Targets of a list, templates in them, and results by target."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from itertools import count, islice
from pathlib import Path

import pytest

from crawler.load.endpoint import Endpoint
from crawler.load.load_config import LoadConfig
from crawler.load.measured import Measured, largest
from crawler.load.plan import Plan
from crawler.load.planner import MOST_AIMS, plan_of
from crawler.measure.json_document import parsed, text
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from tests.load.servers import load, read_request, serving

URL = "http://127.0.0.1:1/"


def sent(plan: Plan, number: int, share: tuple[int, int] = (0, 1)) -> list[str]:
    """The first requests of a process."""
    supply = plan.supply(None, count(share[0], share[1]), share)
    return [each.data.decode() for each in islice(supply, number)]


def paths(plan: Plan, number: int, share: tuple[int, int] = (0, 1)) -> list[str]:
    """What the first requests of a process ask for."""
    return [text.split(" ", 2)[1] for text in sent(plan, number, share)]


def body(text: str) -> str:
    """The body of a request."""
    return text.partition("\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "list line 7: invalid JSON"),
        ('{"urls": "x"}', "list line 7: unknown field 'urls'; did you mean url?"),
        ("{}", 'list line 7: no "url"'),
        ('{"url": 5}', "list line 7: url: expected a string, got 5"),
        ('{"url": "u", "weight": 0}', "weight: expected a number above 0, got 0"),
        ('{"url": "u", "weight": true}', "weight: expected a number above 0, got true"),
        ('{"url": "u", "body": 5}', "body: expected a string, an object or an array, got 5"),
        ('{"url": "u", "body": "a", "body_file": "b"}', "body and body_file are both given"),
        ('{"url": "u", "headers": 1}', "headers: expected an object of names and values, got 1"),
        ('{"url": "u", "headers": {"A": [1]}}', "headers: A: expected a string, got an array"),
        ('{"url": "u", "expect_status": 99}', "expect_status: '99' is not a status"),
        ("[1]", "target: expected a JSON object or a URL, got an array"),
    ],
)
def test_a_bad_line_is_one_error_with_its_number(line: str, said: str) -> None:
    """Each says what was expected in which field."""
    with pytest.raises(ConfigurationError) as caught:
        Endpoint.read(line, "list line 7", Path())
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": f"{URL}{{{{who}}}}"}, "unknown template {{who}}; known: seq, uuid, random 1 100"),
        ({"url": f"{URL}{{{{seq"}, "{{ without }}"),
        ({"url": "http://{{seq}}/"}, "a template can stand in the path and the query alone"),
        ({"url": "http://127.0.0.1:{{seq}}/"}, "a template can stand in the path and the query"),
        ({"url": f"{URL}{{{{random 5 1}}}}"}, "{{random 5 1}}: expected two whole numbers"),
        ({"url": URL, "method": "A B"}, "'A B' is not a request method"),
        ({"url": URL, "headers": (("A", "b\r\nC: d"),)}, "a header field cannot hold"),
        ({"url": URL, "headers": (("A b", "c"),)}, "is not a header field"),
        ({"url": "http://[/"}, "not a URL"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_the_run(fields: dict[str, str], said: str) -> None:
    """With the line of the list."""
    with pytest.raises(ConfigurationError) as caught:
        plan_of(LoadConfig(), [Endpoint(**fields, source="list line 3")])  # type: ignore[arg-type]
    assert str(caught.value).startswith("list line 3: ") and said in str(caught.value)


def test_a_body_file_lies_beside_its_list(tmp_path: Path) -> None:
    """Its bytes are sent as they are; a missing one is an error with the line."""
    (tmp_path / "b.bin").write_bytes(b"\xff{{seq}}")
    read = [
        Endpoint.read(json.dumps({"url": URL, "body_file": name}), f"list line {n}", tmp_path)
        for n, name in enumerate(("b.bin", "gone.bin"), 1)
    ]
    plan = plan_of(LoadConfig(), read[:1])
    request = next(plan.supply(0, count(), (0, 1)))
    assert request.data.startswith(b"POST / ") and request.data.endswith(b"\r\n\r\n\xff{{seq}}")
    with pytest.raises(EnvironmentFailure, match=r"list line 2: cannot read the body .*gone\.bin"):
        plan_of(LoadConfig(), read)


def test_values_are_escaped_for_where_they_stand(tmp_path: Path) -> None:
    """Percent-encoded in a URL, as JSON in JSON, as a form in a form, as they are elsewhere."""
    data = tmp_path / "users.csv"
    data.write_text('name,age\n"a ""b"" &é/?",7\n', encoding="utf-8")
    config = LoadConfig(data=str(data))
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    targets = [
        Endpoint(url=f"{URL}{{{{name}}}}?q={{{{ age }}}}#x{{{{seq}}}}"),
        Endpoint(url=URL, body='{"n": "{{name}}", "a": {{age}}, "m": {{name}}, "l": "{{{{x"}'),
        Endpoint(url=URL, body="n={{name}}", headers=form),
        Endpoint(url=URL, body="plain {{name}}", headers=(("X-Age", "is {{age}}"),)),
    ]
    url, as_json, as_form, as_text = sent(plan_of(config, targets), 4)
    assert url.startswith("GET /a%20%22b%22%20%26%C3%A9%2F%3F?q=7 HTTP/1.1\r\n")
    name = 'a "b" &é/?'
    assert json.loads(body(as_json)) == {"n": name, "a": 7, "m": name, "l": "{{x"}
    assert f"Content-Length: {len(body(as_json).encode())}\r\n" in as_json
    assert body(as_form) == "n=a+%22b%22+%26%C3%A9%2F%3F"
    assert body(as_text) == f"plain {name}" and "X-Age: is 7\r\n" in as_text


def test_a_value_that_breaks_a_header_is_refused(tmp_path: Path) -> None:
    """A line end in a column would be a header of its own."""
    data = tmp_path / "users.jsonl"
    data.write_text('{"a": "x"}\n\n{"a": "x\\r\\nY: z"}\n')
    targets = [Endpoint(url=URL, headers=(("A", "{{a}}"),), body="{{a}}")]
    with pytest.raises(ConfigurationError, match=r"users\.jsonl line 3: .*a header field"):
        plan_of(LoadConfig(data=str(data)), targets)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "a.csv: no rows"),
        ("a.csv", "a,b\n1,2\n3\n", "a.csv line 3: expected 2 columns, got 1"),
        ("a.csv", "a,a\n1,2\n", "a.csv: two columns have the same name"),
        ("a.jsonl", '{"a": 1}\n{"b": 1}\n', "a.jsonl line 2: no 'a'"),
        ("a.jsonl", "[1]\n", "a.jsonl line 1: expected a JSON object"),
        ("a.jsonl", "x\n", "a.jsonl line 1: invalid JSON"),
    ],
)
def test_bad_data_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    """File, line, and what is wrong."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        plan_of(LoadConfig(data=str(tmp_path / name)), [URL])
    assert said in str(caught.value)


def test_rows_are_used_in_turn_by_each_target(tmp_path: Path) -> None:
    """However many targets and processes there are, no row is left out."""
    data = tmp_path / "rows.tsv"
    data.write_text("n\ta\n" + "".join(f"{n}\tx\n" for n in range(4)))
    config = LoadConfig(data=str(data))
    plan = plan_of(config, [f"{URL}a{{{{n}}}}", f"{URL}b{{{{n}}}}"])
    rows = [f"/{name}{n}" for n in range(4) for name in "ab"]
    assert paths(plan, 16) == 2 * rows
    assert sorted(paths(plan, 4, (0, 2)) + paths(plan, 4, (1, 2))) == sorted(rows)
    assert [plan.numbered()(n).line.split()[1] for n in range(16)] == 2 * rows


def test_a_seed_repeats_the_random_values() -> None:
    """Hit by hit; without one each run has its own. All are within their bounds."""
    url = f"{URL}{{{{uuid}}}}/{{{{uuid}}}}/{{{{random -2 3}}}}/{{{{seq}}}}"
    runs = [paths(plan_of(LoadConfig(seed=seed), [url]), 60) for seed in (7, 7, 8, 0, 0)]
    assert runs[0] == runs[1] and len({tuple(run) for run in runs}) == 4
    parts = [path.split("/")[1:] for run in runs for path in run]
    assert all(one != other for one, other, _, _ in parts)
    assert {int(number) for _, _, number, _ in parts} == set(range(-2, 4))
    assert [int(seq) for *_, seq in parts] == 5 * list(range(1, 61))


def test_weights_share_the_load_evenly() -> None:
    """In proportion over a round, and no target comes in a lump."""
    targets = [Endpoint(url=f"{URL}{name}", weight=w) for name, w in (("a", 0.5), ("b", 0.25))]
    assert paths(plan_of(LoadConfig(), targets), 6) == ["/a", "/b", "/a", "/a", "/b", "/a"]
    unlike = [Endpoint(url=URL, weight=1e-9), Endpoint(url=URL)]
    with pytest.raises(ConfigurationError, match="weight: too unlike"):
        plan_of(LoadConfig(), unlike)


def test_options_hold_for_targets_that_say_nothing_else() -> None:
    """A target's own method, header and body go before those of the run."""
    config = LoadConfig(header=("X-A: 1", "X-B: {{seq}}"), body="run")
    own = Endpoint(url=URL, method="PATCH", headers=(("x-a", "2"),), body="own")
    first, second = sent(plan_of(config, [own, URL]), 2)
    assert first.startswith("PATCH ") and "x-a: 2" in first and "X-A" not in first
    assert body(first) == "own" and body(second) == "run" and second.startswith("POST ")
    assert "X-B: 1" in first and "X-B: 2" in second


def test_rows_of_results_are_bounded() -> None:
    """Of many targets those with the largest share have a row, and the others one together."""
    urls = [f"{URL}{n}" for n in range(500)]
    plan = plan_of(LoadConfig(), [*urls, f"{URL}499"])
    assert len(plan.aims) == MOST_AIMS + 1
    assert plan.aims[0].name == "GET /499"
    assert plan.aims[-1].name == "400 other targets"
    assert Counter(each.aim.number for each in plan.order)[MOST_AIMS] == 400


async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with the status that the path begins with; hang up where there is none."""
    while True:
        method, path, _ = (await read_request(reader)).decode().split(" ", 2)
        if not path[1:4].isdigit():
            return
        answer = b"" if method == "HEAD" else b"ok"
        writer.write(b"HTTP/1.1 %s X\r\nContent-Length: 2\r\n\r\n%s" % (path[1:4].encode(), answer))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"engine": "aiohttp"},
        {"rate": 400},
        {"engine": "aiohttp", "rate": 400},
        {"processes": 2, "connections": 4},
    ],
    ids=str,
)
async def test_results_are_told_by_target(options: dict[str, object]) -> None:
    """Each target's answers, errors with an example, and latencies add up to the run's."""
    async with serving(respond) as url:
        targets = [
            f"{url}200/a",
            Endpoint(url=f"{url}404/{{{{seq}}}}", weight=2),
            Endpoint(url=f"{url}302", method="HEAD", name="redirect", expect_status="302"),
            Endpoint(url=f"{url}200/b", expect_status="201"),
            Endpoint(url=f"{url}gone"),
        ]
        measured, _ = await load(targets, **{"connections": 2, "requests": 24, **options})
    rows = {row.name: row for row in measured.targets}
    assert list(rows) == ["GET /404/{{seq}}", "GET /200/a", "redirect", "GET /200/b", "GET /gone"]
    assert [rows[name].attempts for name in rows] == [8, 4, 4, 4, 4]
    assert rows["GET /404/{{seq}}"].statuses == {404: 8} and rows["redirect"].failed == 0
    wrong = rows["GET /200/b"].errors["status 200"]
    assert (wrong.count, wrong.message, wrong.example) == (4, "OK", f"GET {url}200/b")
    cut = rows["GET /gone"].errors["disconnected"]
    assert (cut.count, cut.example) == (4, f"GET {url}gone")
    assert cut.message == "closed without an answer"
    assert rows["GET /404/{{seq}}"].errors["status 404"].example.startswith(f"GET {url}404/")
    assert measured.errors == sum(row.failed for row in measured.targets) == 16
    assert sum(row.response.count for row in measured.targets) == measured.response.count
    assert parsed(text(measured), Measured) == measured


async def test_a_single_url_is_one_row() -> None:
    """The whole run is its target; its errors have an example, too."""
    async with serving(respond) as url:
        measured, _ = await load(f"{url}503")
    (row,) = measured.targets
    assert row.statuses == measured.statuses == {503: 5} and row.response == measured.response
    assert row.errors["status 503"].example == f"GET {url}503"
    assert row.errors["status 503"].message == "Service Unavailable"


async def test_what_is_left_over_is_summed() -> None:
    """A short table keeps the largest rows, and no hit is lost."""
    async with serving(respond) as url:
        targets = [Endpoint(url=f"{url}200/{n}", weight=n) for n in (1, 2, 3, 4)]
        measured, _ = await load(targets, requests=20)
    rows = largest(measured.targets, 3)
    assert [(row.name, row.count) for row in rows] == [
        ("GET /200/4", 8),
        ("GET /200/3", 6),
        ("2 other targets", 6),
    ]
