"""What a load leaves for build servers and pull requests: a JUnit file and Markdown."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from crawler.load.junit import junit
from crawler.load.load_result import LoadResult
from crawler.load.markdown import code, markdown
from crawler.load.measured import Failure, TargetCounts
from tests.load import sample

HOSTILE = "reset\x00\x1b </failure> & | `@all` ``#1``"


def hostile() -> LoadResult:
    """A stopped run in which nothing succeeded, for a reason that a server made up."""
    run = replace(
        sample.quiet(), statuses={}, failures={Failure.TLS: 2}, messages={Failure.TLS: HOSTILE}
    )
    result = sample.result(run, target="http://u:secret@127.0.0.1/`|`")
    judged = tuple(replace(each, met=False, why=HOSTILE) for each in result.thresholds)
    return replace(result, partial=True, thresholds=judged)


@pytest.mark.slow
def test_a_threshold_and_a_check_is_a_test_case_each() -> None:
    """A missed threshold is a failure with what was measured, a check that fails an error."""
    suites = ET.fromstring(junit(sample.result()))
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert len(cases) == 13 and suites.find("testsuite") is not None
    for each in (suites, *suites):
        assert [each.get(n) for n in ("tests", "failures", "errors")] == ["13", "1", "1"]
        assert each.get("time") == "12.000"
    (missed,), (doubted,) = cases["p99<50ms"], cases["generator CPU"]
    assert missed.tag == "failure" and missed.get("message") == missed.text == "measured 1.28 s"
    assert doubted.tag == "error" and "96% of a core" in str(doubted.text)
    assert not list(cases["errors<5%"]) and not list(cases["errors at most 5%"])


def test_what_a_server_says_cannot_break_the_junit_file() -> None:
    """Markup is escaped, and what XML 1.0 has no place for is replaced; no password is in it."""
    text = junit(hostile())
    suites = ET.fromstring(text)
    failed = {case.get("name"): case[0].tag for case in suites.iter("testcase") if len(case)}
    assert failed["complete"] == "error" and failed["errors at most 5%"] == "failure"
    assert failed["p99<50ms"] == "failure" and "secret" not in text
    said = "".join(str(each.text) for each in suites.iter("failure"))
    assert HOSTILE.translate({0: 0xFFFD, 0x1B: 0xFFFD}) in said


@pytest.mark.slow
def test_a_pull_request_gets_the_verdict_and_the_figures() -> None:
    """The heading says what came of it; each table's rows have as many cells as its head."""
    text = markdown(sample.result())
    assert text.startswith("### crawler load: failed, 99 answers/s, p99 1.28 s, 3% errors\n")
    assert "| `p99<50ms` | **missed** | 1.28 s |" in text
    assert "**Not believable:** generator CPU" in text
    assert "| latency | p50 | p75 | p90 | p99 | max |" in text  # too few for p99.9
    for table in text.split("\n\n"):
        if table.startswith("|"):
            assert len({line.count("|") for line in table.splitlines()}) == 1
    passed = replace(sample.result(sample.quiet()), thresholds=())
    passed = replace(passed, verdict=replace(passed.verdict, valid=True, checks=()))
    assert markdown(passed).startswith("### crawler load: passed, 2 answers/s")


def test_what_a_server_says_cannot_break_the_markdown() -> None:
    """It stands in code spans, on one line; a bar in a table is escaped, and no password shown."""
    text = markdown(hostile())
    assert text.startswith("### crawler load: stopped before its end")
    assert "secret" not in text and r"| first tls | ``` reset" in text
    (line,) = [line for line in text.splitlines() if "first tls" in line]
    assert line.count("|") - line.count(r"\|") == 3


@pytest.mark.parametrize(
    ("text", "span"),
    [("a", "`a`"), ("a`b", "`` a`b ``"), ("``", "``` `` ```"), ("a\n\nb", "`a b`"), ("", "` `")],
)
def test_a_code_span_holds_any_text(text: str, span: str) -> None:
    """Its fence is longer than any in the text, and no line ends in it."""
    assert code(text) == span


def test_a_pull_request_gets_each_target() -> None:
    """Where there are several, with its name as it stands; one alone has no row of its own."""
    rows = tuple(TargetCounts(name=name, statuses={302: 12}) for name in ("GET /a|b", "@all"))
    told = [
        markdown(sample.result(replace(sample.quiet(), targets=each))) for each in (rows[:1], rows)
    ]
    assert "@all" not in told[0] and "GET /a" not in told[0]
    assert r"| `GET /a\|b` | 12 | 12 |" in told[1]
    assert "| `@all` | 12 | 12 | 0 | 0 | 0 | 302: 12 |" in told[1]
