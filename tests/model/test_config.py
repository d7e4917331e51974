"""The options of a crawl: what they refuse, and how they say so."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from crawler.model.command_config import CommandConfig
from crawler.model.config import CrawlConfig
from crawler.model.errors import ConfigurationError, ExitCode
from crawler.model.network_config import split_header
from crawler.model.politeness_config import PolitenessConfig


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("concurrency", "x", "'x' is not a whole number"),
        ("concurrency", 1.5, "1.5 is not a whole number"),
        ("per_host", True, "True is not a whole number"),
        ("per_host", 0, "0 is too small; the minimum is 1"),
        ("max_redirects", 101, "101 is too large; the maximum is 100"),
        ("limit", 10**400, "is too large"),
        ("delay", None, "None is not a number"),
        ("delay", float("nan"), "nan is not a number"),
        ("delay", float("inf"), "inf is too large"),
        ("delay", float("-inf"), "-inf is too small"),
        ("timeout", 10**400, "is too large"),
        ("insecure", 1, "1 is neither true nor false"),
        ("engine", "fast", "'fast' is not one of async, threaded"),
        ("engine", ["async"], "is not one of async, threaded"),
        ("user_agent", b"x", "b'x' is not a string"),
        ("user_agent", "a\r\nHost: b", "holds a line break"),
        ("header", "A: b", "'A: b' is not a list of strings"),
        ("header", ("no header",), "is not a header"),
        ("header", ("A b: c",), "is not a header"),
        ("header", (": c",), "is not a header"),
        ("header", ("X: \udcff",), "is not valid UTF-8"),
        ("user_agent", "\udcff", "is not valid UTF-8"),
        ("proxy", "localhost:3128", "is not a proxy"),
        ("proxy", "http://localhost:99999", "is not a proxy"),
        ("proxy", "http://", "is not a proxy"),
        ("parser", "module", "expected package.module:function"),
    ],
)
def test_a_bad_value_is_refused_by_name(option: str, value: Any, problem: str) -> None:
    """A wrong type, a value out of range or text that cannot work names option and value."""
    with pytest.raises(ConfigurationError) as raised:
        CrawlConfig(**{option: value})
    assert str(raised.value).startswith(f"{option}: ")
    assert problem in str(raised.value)
    assert raised.value.exit_code is ExitCode.USAGE


def test_a_number_too_long_to_print_is_refused() -> None:
    """An integer that Python would not even print is an error like any other."""
    with pytest.raises(ConfigurationError, match="limit: a number of 16610 bits is too small"):
        CrawlConfig(limit=-(10**5_000))


def test_values_are_put_into_the_options_own_type() -> None:
    """A whole number does for a fractional one, a list for a tuple."""
    config = CrawlConfig.of({"delay": 1, "header": ["Accept: text/html"]})
    assert (config.politeness.delay, type(config.politeness.delay)) == (1.0, float)
    assert config.network.headers_for_all == (("Accept", "text/html"),)
    assert hash(config) == hash(replace(config))


def test_the_ends_of_a_range_belong_to_it() -> None:
    """Least and most are themselves allowed."""
    for name, spec in CrawlConfig.options().items():
        for end in (spec.least, spec.most):
            if end is not None:
                assert CrawlConfig.of({name: end}).values()[name] == end


def test_an_unknown_name_gets_a_suggestion() -> None:
    """A misspelt option is named, with the one that was probably meant."""
    with pytest.raises(
        ConfigurationError, match=r"per_hst: no such option; did you mean per_host\?"
    ):
        CrawlConfig.of({"per_hst": 3})


def test_threads_have_a_client_of_their_own() -> None:
    """A client of the asynchronous engine is refused with the other, and both are named."""
    with pytest.raises(ConfigurationError, match=r"^client and engine: raw needs engine async"):
        CrawlConfig(engine="threaded", client="raw")
    assert CrawlConfig(engine="threaded").client == "aiohttp"


def test_a_parser_of_ones_own_needs_parsing() -> None:
    """Options that contradict each other are refused, not dropped."""
    with pytest.raises(ConfigurationError, match="parser and parse"):
        CrawlConfig(parser="package.module:function", parse="none")


def test_every_option_is_described() -> None:
    """Each option has a help sentence and a type that is checked, and its default is legal."""
    assert list(CrawlConfig().values()) == list(CrawlConfig.options())
    for name, spec in CommandConfig.options().items():
        assert spec.help.endswith("."), name
        assert spec.check(spec.default) == spec.default


def test_a_configuration_shows_what_was_changed() -> None:
    """In one line, without the defaults and without secrets."""
    config = CrawlConfig(per_host=2, header=["Cookie: a=b"], concurrency=5)
    assert repr(config) == "CrawlConfig(concurrency=5, per_host=2)"


def test_an_option_is_given_flat_or_in_its_group() -> None:
    """A group is an object or a mapping, an option given alone counts before it; all are equal."""
    flat = CrawlConfig(delay="1s", per_host=2)
    assert flat == CrawlConfig(politeness=PolitenessConfig(delay=1, per_host=2))
    assert flat == CrawlConfig(politeness={"delay": 1, "per_host": 3}, per_host=2)
    assert flat == CrawlConfig.of({"politeness": {"delay": 1}, "per_host": 2})
    assert flat == CrawlConfig().updated({"delay": 1.0, "per_host": 2})
    assert flat.values()["per_host"] == flat.politeness.per_host == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"politeness": {"per_hst": 2}}, "per_hst: no such option; did you mean per_host?"),
        ({"politeness": {"retries": 2}}, "retries: no such option"),
        ({"politeness": 3}, "politeness: expected a PolitenessConfig or a mapping, got int"),
        ({"network": PolitenessConfig()}, "network: expected a NetworkConfig or a mapping"),
        ({"parsing": {"parse": "lua"}}, "parse: 'lua' is not one of auto"),
        ({"quiet": True}, "quiet: no such option"),
    ],
)
def test_what_is_wrong_in_a_group_is_named(options: dict[str, object], said: str) -> None:
    """As everywhere; what the command line alone reads is no option of a crawl."""
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        CrawlConfig.of(options)


def test_a_header_may_have_any_legal_name() -> None:
    """RFC 9110 allows more in a name than letters and dashes; spaces around the value go."""
    assert split_header("X-It's~OK!:  a: b ") == ("X-It's~OK!", "a: b")
