"""A load run as a JUnit file, which build servers show: one test case a threshold and a check.

A missed threshold and too many errors are failures: the server's. A check that does not hold, and a
run that was stopped, are errors: nothing can be said about the server. A note is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree as ET

from crawler.load.load_report import found
from crawler.load.load_result import LoadResult
from crawler.load.measured import share

_NOT_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
"""All but XML 1.0's characters (2.2)."""


class _Case(NamedTuple):
    """A test case; `state` is the element that says why it has not passed, "" if it has."""

    kind: str
    name: str
    state: str = ""
    why: str = ""


def junit(result: LoadResult) -> str:
    """Return the file's text."""
    cases = list(_cases(result))
    counted = {state: sum(case.state == state for case in cases) for state in _STATES}
    totals = {
        "tests": str(len(cases)),
        **{_STATES[state]: str(number) for state, number in counted.items()},
        "time": f"{result.measured.elapsed:.3f}",
    }
    suites = ET.Element("testsuites", {"name": "crawler load", **totals})
    name = f"load of {result.json['target']}"  # without its password
    named = {"name": _legal(name), "timestamp": result.started}
    suite = ET.SubElement(suites, "testsuite", {**named, **totals})
    for case in cases:
        named = {"classname": f"crawler.load.{case.kind}", "name": _legal(case.name)}
        element = ET.SubElement(suite, "testcase", named)
        if case.state:
            why = _legal(case.why)
            ET.SubElement(element, case.state, message=why).text = why
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


_STATES = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def _cases(result: LoadResult) -> Iterator[_Case]:
    yield _Case("run", "complete", *(("error", "stopped before its end") if result.partial else ()))
    most = f"errors at most {share(result.config.max_errors)}"
    yield _Case("run", most, *(("failure", result.failure) if result.failure else ()))
    for judged in result.thresholds:
        why = f"measured {found(judged)}" + (f"; {judged.why}" if judged.why else "")
        yield _Case("threshold", judged.text, *(() if judged.met else ("failure", why)))
    for check in result.verdict.checks:
        state = "error" if check.matters else "skipped"
        yield _Case("check", check.name, *(() if check.ok else (state, check.why)))


def _legal(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
