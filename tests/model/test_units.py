"""Quantities: what a person may write, exactly what it comes to, and what is refused."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError
from crawler.model.option import OptionError
from crawler.model.units import (
    BYTES,
    COUNT,
    MEGABYTES,
    MINUTES,
    NUMBER,
    RATE,
    SECONDS,
    SHARE,
    Unit,
)

UNITS = (SECONDS, MINUTES, BYTES, MEGABYTES, COUNT, NUMBER, RATE, SHARE)


@pytest.mark.parametrize(
    ("unit", "text", "quantity"),
    [
        (SECONDS, "30", 30),
        (SECONDS, "30s", 30),
        (SECONDS, "1m", 60),
        (SECONDS, "5 min", 300),
        (SECONDS, "1h", 3_600),
        (SECONDS, "1.5h", 5_400),
        (SECONDS, "1h30m", 5_400),
        (SECONDS, "1h 30m 5.5s", 5_405.5),
        (SECONDS, "2d", 172_800),
        (SECONDS, "500ms", 0.5),
        (SECONDS, "250us", 0.00025),
        (SECONDS, "250\N{MICRO SIGN}s", 0.00025),
        (SECONDS, ".5s", 0.5),
        (SECONDS, "5.", 5),
        (SECONDS, "1e3", 1_000),
        (SECONDS, "1e-3s", 0.001),
        (SECONDS, "30S", 30),
        (SECONDS, " 30 seconds ", 30),
        (SECONDS, "-5s", -5),
        (SECONDS, "+5s", 5),
        (MINUTES, "2", 2),
        (MINUTES, "90s", 1.5),
        (BYTES, "10MB", 10_000_000),
        (BYTES, "10mb", 10_000_000),
        (BYTES, "10M", 10_000_000),
        (BYTES, "1GiB", 2**30),
        (BYTES, "1.5 KiB", 1_536),
        (BYTES, "100B", 100),
        (MEGABYTES, "512", 512),
        (MEGABYTES, "512MB", 512),
        (MEGABYTES, "2GB", 2_000),
        (COUNT, "10k", 10_000),
        (COUNT, "1.5M", 1_500_000),
        (COUNT, "2G", 2_000_000_000),
        (COUNT, "20_000", 20_000),
        (RATE, "100", 100),
        (RATE, "100/s", 100),
        (RATE, "60/min", 1),
        (RATE, "10k/s", 10_000),
        (SHARE, "5%", 0.05),
        (SHARE, "0.1 %", 0.001),
        (SHARE, "0.05", 0.05),
        (NUMBER, "4", 4),
    ],
)
def test_a_quantity_is_read_exactly(unit: Unit, text: str, quantity: float) -> None:
    """What people write, in any case and spacing, comes to the number nearest to what it means."""
    assert float(unit.read(text)) == quantity


@pytest.mark.parametrize(
    ("unit", "text", "said"),
    [
        (SECONDS, "", "'' is not a duration; expected seconds, or 500ms, 30s, 5m, 1h30m"),
        (SECONDS, "30x", "'30x' is not a duration"),
        (SECONDS, "s", "'s' is not a duration"),
        (SECONDS, "10MB", "'10MB' is not a duration"),
        (SECONDS, "1h30", "'1h30' is not a duration"),
        (SECONDS, "30m1h", "'30m1h' is not a duration"),
        (SECONDS, "1m1m", "'1m1m' is not a duration"),
        (SECONDS, "1:30", "'1:30' is not a duration"),
        (SECONDS, "--5", "'--5' is not a duration"),
        (SECONDS, "nan", "'nan' is not a duration"),
        (SECONDS, "inf", "'inf' is not a duration"),
        (SECONDS, "1e999999999", "is not a duration"),
        (SECONDS, "1" * 5_000, "is not a duration"),
        (BYTES, "10 m b", "'10 m b' is not a size; expected bytes, or 500kB, 10MB, 1GiB"),
        (BYTES, "1MB1kB", "is not a size"),
        (COUNT, "10s", "'10s' is not a whole number; expected digits, or 10k, 1.5M"),
        (RATE, "5%", "'5%' is not a rate"),
        (SHARE, "5/s", "'5/s' is not a share; expected 0.05 or 5%"),
        (NUMBER, "4k", "'4k' is not a number"),
    ],
)
def test_what_is_no_quantity_is_told_in_one_line(unit: Unit, text: str, said: str) -> None:
    """The error shows the text and names what is expected."""
    with pytest.raises(ValueError, match=r"expected") as raised:
        unit.read(text)
    assert said in str(raised.value) and len(str(raised.value)) < 200


def test_whole_numbers_stay_whole() -> None:
    """A count of a fraction is refused; a size is rounded up, so that none becomes 0 ("any")."""
    assert COUNT.whole("1.5k") == 1_500
    assert MEGABYTES.whole("500kB") == 1 and MEGABYTES.whole("1GiB") == 1_074
    for unit, text in ((COUNT, "1.5"), (COUNT, "1.0001k"), (BYTES, "1.5")):
        with pytest.raises(ValueError, match="is not a whole number"):
            unit.whole(text)


@pytest.mark.slow
@given(st.sampled_from(UNITS), st.text(max_size=30))
def test_any_text_is_read_or_refused(unit: Unit, text: str) -> None:
    """Nothing that a person may write is another error than a ValueError of one line."""
    problem = ""
    try:
        assert isinstance(unit.read(text), Fraction)
    except ValueError as error:
        problem = str(error)
    assert len(problem.splitlines()) <= 1


@given(st.floats(-1e18, 1e18) | st.floats(-1, 1))
def test_a_printed_number_reads_as_itself(number: float) -> None:
    """The shortest text of a float is read back to it, in each unit."""
    for unit in UNITS:
        assert math.isclose(float(unit.read(repr(number))), number, rel_tol=0, abs_tol=1e-40)


def test_options_take_their_units_as_text() -> None:
    """From Python and TOML a number may be text with the option's unit; plain ones stay as is."""
    config = CrawlConfig.of(
        {"timeout": "1m30s", "max_body": "1GiB", "limit": "10k", "parse_memory": "2GB", "delay": 1}
    )
    assert (config.network.timeout, config.network.max_body, config.limit) == (90.0, 2**30, 10_000)
    assert (config.parsing.parse_memory, config.politeness.delay) == (2_000, 1.0)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("timeout", "5ms", "0.005 is too small; the minimum is 0.01"),
        ("timeout", "2d", "172800 is too large; the maximum is 86400"),
        ("delay", "-1s", "-1 is too small; the minimum is 0"),
        ("max_body", "10TB", "10000000000000 is too large"),
        ("max_body", "10s", "'10s' is not a size"),
        ("concurrency", "5s", "'5s' is not a whole number"),
        ("parse", "proces", "interpreter, none; did you mean process?"),
    ],
)
def test_a_quantity_out_of_range_is_told(name: str, value: str, said: str) -> None:
    """Range and unit are checked alike, whoever gives the value."""
    with pytest.raises(ConfigurationError) as raised:
        CrawlConfig.of({name: value})
    assert isinstance(raised.value, OptionError) and said in str(raised.value)


def test_hosts_have_units() -> None:
    """Limits of single hosts are read like the options of all."""
    hosts = CrawlConfig.of({"hosts": "a.test: per_host=1, delay=500ms"}).politeness.hosts
    assert hosts.limits("http://a.test") == {"per_host": 1, "delay": 0.5}
