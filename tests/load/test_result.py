"""What a run leaves in files: the result, its schema, and the percentile text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hdrh.histogram import HdrHistogram
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from crawler.load.load_result import LoadResult, schema
from crawler.load.measured import Measured
from crawler.measure.hgrm import hgrm, spectrum
from crawler.measure.histogram import Histogram
from crawler.model.errors import EnvironmentFailure
from tests.load.sample import measured, result


@pytest.mark.slow
def test_a_result_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """Written, read and written again, the text is the same, and so is what was measured."""
    path = tmp_path / "result.json"
    path.write_text(result().text)
    again = LoadResult.read(str(path))
    assert again.text == path.read_text()
    assert again.measured == measured()
    assert again.verdict == result().verdict


@pytest.mark.slow
@pytest.mark.parametrize("run", [measured(), Measured(elapsed=0.0)], ids=["full", "empty"])
def test_a_result_follows_its_schema(run: Measured) -> None:
    """The document of a run, and of one in which nothing happened, is valid."""
    document = orjson.loads(result(run).text)
    Draft202012Validator.check_schema(schema())
    Draft202012Validator(schema()).validate(document)


@pytest.mark.slow
def test_the_schema_refuses_what_is_unknown_and_what_is_missing() -> None:
    """A field too many or too few, at the top or below, is an error."""
    validator = Draft202012Validator(schema())
    document = result().json
    assert not validator.is_valid({**document, "more": 1})
    assert not validator.is_valid({k: v for k, v in document.items() if k != "probes"})
    assert not validator.is_valid({**document, "measured": {**document["measured"], "lag": 1}})


def test_every_property_of_the_schema_is_described() -> None:
    """No field of the document, however deep, is left without a description."""
    found = dict(_properties(schema()))
    assert len(found) > 60
    assert [name for name, value in found.items() if not value.get("description")] == []


def _properties(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in node.items() if isinstance(node, dict) else ():
        if key == "properties":
            yield from ((f"{path}/{name}", found) for name, found in value.items())
        yield from _properties(value, f"{path}/{key}")


def test_no_secret_is_written() -> None:
    """Neither a password in the URL nor the value of a header field that logs in is in the text."""
    told = replace(result(), target="http://ann:hidden@127.0.0.1/").text
    assert "hidden" not in told
    assert "Bearer secret" not in told
    assert "***@127.0.0.1/" in told and "Authorization: ***" in told


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "invalid JSON"),
        ("[]", "not a result of a load"),
        ("{}", "missing required field `target`"),
        ('{"format": "other/9"}', "Invalid enum value 'other/9' - at `$.format`"),
        ('{"format": "crawler-load/1"}', "missing required field `target`"),
    ],
)
def test_a_file_that_is_no_result_is_named(tmp_path: Path, content: str, problem: str) -> None:
    """One line names the file and says what is wrong with it."""
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(EnvironmentFailure) as caught:
        LoadResult.read(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert problem in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file is an error of one line."""
    with pytest.raises(EnvironmentFailure, match=r"none\.json: cannot be read: No such file"):
        LoadResult.read(str(tmp_path / "none.json"))


def test_a_damaged_histogram_is_no_result(tmp_path: Path) -> None:
    """Buckets that cannot be are found on reading."""
    document = result().json
    document["measured"]["service"]["buckets"].append(7)
    path = tmp_path / "bad.json"
    path.write_bytes(orjson.dumps(document))
    with pytest.raises(EnvironmentFailure, match="not a result of a load"):
        LoadResult.read(str(path))


@pytest.mark.slow
def test_hgrm_agrees_with_hdrhistogram() -> None:
    """Each line's value and count, and the mean and maximum, are those of HdrHistogram's own."""
    ours, theirs = measured().response, HdrHistogram(1, 3_600_000_000, 3)
    for edge, count in zip(*_counts(ours), strict=True):
        theirs.record_value(edge, count)
    recorded = [
        (item.value_iterated_to, item.total_count_to_this_value)
        for item in theirs.get_recorded_iterator()
    ]
    for seconds, share, seen in spectrum(ours):
        enough = ((v, n) for v, n in recorded if n / ours.count >= share - 1e-12)
        assert (round(seconds * 1e6), seen) == next(enough)
    text = io.BytesIO()
    theirs.output_percentile_distribution(text, 1_000)
    for figure in (r"#\[Mean    = +[\d.]+", r"#\[Max     = +[\d.]+"):
        (found,) = re.findall(figure, hgrm(ours))
        assert re.findall(figure, text.getvalue().decode()) == [found]


def _counts(histogram: Histogram) -> tuple[list[int], list[int]]:
    """The buckets' greatest values in microseconds, and how many values each has."""
    cumulative = list(histogram.cumulative())
    before = [0, *(seen for _, seen in cumulative)]
    edges = [round(edge * 1e6) for edge, _ in cumulative]
    return edges, [seen - b for (_, seen), b in zip(cumulative, before, strict=False)]


def test_hgrm_has_the_form_that_plotters_read() -> None:
    """Titles, lines of four columns, a last one of three, and three lines of summary."""
    lines = hgrm(Histogram([0.001, 0.002, 0.003, 0.1])).splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert lines[2] == "       1.000 0.000000000000          1           1.00"
    assert lines[-4] == "     100.031 1.000000000000          4"
    assert [line.startswith("#[") for line in lines[-3:]] == [True] * 3
    steps = [float(line.split()[1]) for line in lines[2:-4]]
    assert steps[:9] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65])


def test_hgrm_of_nothing_is_whole() -> None:
    """A run without a single value has titles and a summary of zeros."""
    text = hgrm(Histogram())
    assert "Total count    =            0" in text
    assert "nan" not in text
