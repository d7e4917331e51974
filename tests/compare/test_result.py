"""What a comparison leaves in its file: the document, its schema, and that it is read back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from msgspec import structs

from crawler.compare import catalogue
from crawler.compare.comparison_result import ComparisonResult, StoredComparison, schema
from crawler.measure.json_document import parsed
from tests.compare import sample


def _document(result: ComparisonResult) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(result.text)
    return document


@pytest.fixture
def catalogued(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up experiment can be found by its name."""
    load = catalogue.load
    found = {"made-up": sample.MADE_UP}
    monkeypatch.setattr(catalogue, "NAMES", (*catalogue.NAMES, *found))
    monkeypatch.setattr(catalogue, "load", lambda name: found.get(name) or load(name))


def _odd() -> ComparisonResult:
    """A result with everything that JSON has no number for."""
    experiment, done = sample.made_up_here()
    part = done.parts[0]
    first, *others = part.runs
    figures = {"lag": math.inf, "share": math.nan, "kept": 1.0}
    notes = {"deep": [{"worst": -math.inf}, math.nan], "pair": (1, 2)}
    reading = {**first.reading, "pss": math.nan}
    odd = [replace(first, round=1, figures=figures, notes=notes, reading=reading), *others]
    return sample.result(
        (experiment, structs.replace(done, parts=(structs.replace(part, runs=odd),))), jitter=0.3
    )


@pytest.mark.slow
@pytest.mark.usefixtures("catalogued")
@pytest.mark.parametrize("make", [sample.result, sample.whole, _odd])
def test_a_result_is_read_back_as_it_was_written(make: Any) -> None:
    """Read and written again the text is the same, and what is worked out again is, too."""
    made = make()
    again = ComparisonResult.of(parsed(made.text.encode(), StoredComparison))
    assert again.text == made.text
    assert again.bands == made.bands
    for ours, theirs in zip(made.examined, again.examined, strict=True):
        assert ours.outcome == theirs.outcome
        for one, other in zip(ours.parts, theirs.parts, strict=True):
            assert repr(one.comparisons) == repr(other.comparisons)  # nan is not nan
            assert one.findings == other.findings


@pytest.mark.slow
def test_no_infinity_and_no_nan_is_written() -> None:
    """A figure that is no number is left out, a note that is none is null."""
    json.dumps(_odd().json, allow_nan=False)
    run = _odd().json["experiments"][1]["parts"][0]["runs"][0]
    assert run["figures"] == {"kept": 1.0}
    assert run["notes"] == {"deep": [{"worst": None}, None], "pair": [1, 2]}
    assert "pss" not in run["reading"] and "wall" in run["reading"]


def test_without_rounds_there_is_no_bound_and_no_median() -> None:
    """Of a comparison that was stopped at once the document has null where nothing is known."""
    experiment, done = sample.noise()
    part = structs.replace(done.parts[0], runs=[])
    stopped = structs.replace(done, parts=(part,), rounds=0, partial=True)
    made = sample.result((experiment, stopped))
    made = replace(made, examined=made.examined[1:], partial=True)
    document = _document(made)
    kinds = ("compute", "wait", "fetch", "compute CPU", "fetch CPU")
    assert document["noise"] == dict.fromkeys(kinds)
    assert document["experiments"][0]["parts"][0]["comparisons"][0]["base"]["median"] is None
    Draft202012Validator(schema()).validate(document)
    assert ComparisonResult.of(parsed(orjson.dumps(document), StoredComparison)).text == made.text


@pytest.mark.slow
@pytest.mark.parametrize("make", [sample.result, sample.whole, _odd])
def test_a_result_follows_its_schema(make: Any) -> None:
    """The document is valid, with failed turns, several interpreters and missing figures, too."""
    Draft202012Validator.check_schema(schema())
    Draft202012Validator(schema()).validate(_document(make()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["started", "seconds", "partial", "asked", "experiments"])
def test_the_schema_refuses_what_is_missing_or_of_another_type(name: str) -> None:
    """A field too many or too few, or one of another type, is an error."""
    validator = Draft202012Validator(schema())
    document = _document(sample.result())
    assert not validator.is_valid({**document, "more": 1})
    assert not validator.is_valid({**document, name: {"of": "another type"}})
    del document[name]
    assert not validator.is_valid(document)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("machine", "gil"), "yes"),
        (("config", "sabotage"), "5%"),
        (("noise", "compute"), "2 %"),
        (("experiments", 0, "outcome"), "as hoped"),
        (("experiments", 0, "parts", 0, "band"), "0.02"),
        (("experiments", 0, "parts", 0, "setting", "mode"), "slow"),
        (("experiments", 0, "parts", 0, "setting", "interpreter", "version"), 3.11),
        (("experiments", 0, "parts", 0, "arms", 0, "limit"), None),
        (("experiments", 0, "parts", 0, "runs", 0, "round"), -1),
        (("experiments", 0, "parts", 0, "runs", 0, "figures", "lag"), None),
        (("experiments", 0, "parts", 0, "runs", 0, "reading", "wall"), "1 s"),
        (("experiments", 0, "parts", 0, "runs", 0, "reading", "more"), 1),
        (("experiments", 0, "parts", 0, "comparisons", 0, "word"), "better"),
        (("experiments", 0, "parts", 0, "comparisons", 0, "ratio", "low"), None),
        (("experiments", 0, "parts", 0, "comparisons", 0, "contrast", "figure", "more"), 0),
        (("experiments", 0, "parts", 0, "findings", 0, "detail"), None),
    ],
)
def test_the_schema_refuses_another_type_however_deep(
    path: tuple[str | int, ...], value: object
) -> None:
    """Each part of the document is described to its leaves."""
    document: Any = _document(sample.result())
    *above, last = path
    node = document
    for step in above:
        node = node[step]
    node[last] = value
    assert not Draft202012Validator(schema()).is_valid(document)


def test_every_property_of_the_schema_is_described() -> None:
    """No field of the document, however deep, is left without a description."""
    found = dict(_properties(schema()))
    assert len(found) > 80
    assert [name for name, value in found.items() if not value.get("description")] == []


def _properties(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in node.items() if isinstance(node, dict) else ():
        if key == "properties":
            yield from ((f"{path}/{name}", found) for name, found in value.items())
        yield from _properties(value, f"{path}/{key}")
