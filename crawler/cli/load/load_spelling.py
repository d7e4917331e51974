"""The options of a load as the command line has them, and the thresholds with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crawler.cli import toml
from crawler.cli.crawl_flags import Spelling
from crawler.load.load_config import LoadConfig
from crawler.load.threshold import Threshold
from crawler.model.errors import ConfigurationError

LOAD = Spelling(
    config=LoadConfig,
    table="load",
    prefix="CRAWLER_LOAD_",
    use="crawler load --config FILE",
    example="rate",
    lead=("Target", "Result"),
    unset={
        "rate": "0 sends nothing; leave it out for a closed loop",
        "stages": "expected a schedule; leave it out for a closed loop",
    },
)


def settle(
    file: str | None, given: Mapping[str, object], usual: Mapping[str, object] | None = None
) -> LoadConfig:
    """Merge the options: those given, over the file, over what is `usual` here, over the defaults.

    Raises ConfigurationError.
    """
    return toml.settle(LOAD, file, given, usual or {})


def thresholds(texts: Sequence[str], flag: str = "--threshold") -> list[Threshold]:
    """Read each text as a threshold; raise ConfigurationError for the first invalid one."""
    return [_threshold(text, flag) for text in texts]


def _threshold(text: str, flag: str) -> Threshold:
    try:
        return Threshold.read(text)
    except ValueError as error:
        raise ConfigurationError(f"{flag}: {error}") from error
