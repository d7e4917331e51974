"""The options of a load as the command line has them, and the thresholds with them."""

from __future__ import annotations

from collections.abc import Sequence

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


def thresholds(texts: Sequence[str], flag: str = "--threshold") -> list[Threshold]:
    """Read each text as a threshold; raise ConfigurationError for the first invalid one."""
    return [_threshold(text, flag) for text in texts]


def _threshold(text: str, flag: str) -> Threshold:
    try:
        return Threshold.read(text)
    except ValueError as error:
        raise ConfigurationError(f"{flag}: {error}") from error
