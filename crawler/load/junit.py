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
from crawler.load.load_result import Judged, LoadResult
from crawler.load.measured import share
from crawler.load.validity import Check

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
        _add(suite, case)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


_STATES = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def _cases(result: LoadResult) -> Iterator[_Case]:
    yield _Case("run", "complete", *(("error", "stopped before its end") if result.partial else ()))
    most = f"errors at most {share(result.config.max_errors)}"
    yield _Case("run", most, *(("failure", result.failure) if result.failure else ()))
    yield from map(_threshold, result.thresholds)
    yield from map(_check, result.verdict.checks)


def _threshold(judged: Judged) -> _Case:
    if judged.met:
        return _Case("threshold", judged.text)
    why = f"measured {found(judged)}" + (f"; {judged.why}" if judged.why else "")
    return _Case("threshold", judged.text, "failure", why)


def _check(check: Check) -> _Case:
    if check.ok:
        return _Case("check", check.name)
    return _Case("check", check.name, "error" if check.matters else "skipped", check.why)


def _add(suite: ET.Element, case: _Case) -> None:
    element = ET.SubElement(
        suite, "testcase", classname=f"crawler.load.{case.kind}", name=_legal(case.name)
    )
    if case.state:
        why = _legal(case.why)
        ET.SubElement(element, case.state, message=why).text = why


def _legal(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
