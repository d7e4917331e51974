"""The share of one partition in what counts for the whole crawl."""

from __future__ import annotations

import pytest

from crawler.engine.division import divided
from crawler.model.command_config import CommandConfig
from crawler.model.errors import ConfigurationError
from crawler.runtime import limits


def test_what_counts_for_the_whole_crawl_is_divided() -> None:
    """Shares are whole and at least 1, `ip_delay` grows, and 0 keeps its meaning."""
    config = CommandConfig(concurrency=9, per_ip=3, ip_delay=0.5, memory=900_000_000)
    share = divided(config, 4)
    assert (share.concurrency, share.memory) == (2, 225_000_000)
    assert (share.politeness.per_ip, share.politeness.ip_delay) == (1, 2.0)
    assert share.politeness.per_host == config.politeness.per_host
    assert divided(CommandConfig(per_ip=0), 4).politeness.per_ip == 0


def test_one_partition_has_all() -> None:
    """Nothing is changed for it."""
    config = CommandConfig(concurrency=9)
    assert divided(config, 1) == config


def test_too_little_memory_for_all_partitions_is_refused() -> None:
    """The error says how much is enough, and for how many."""
    with pytest.raises(ConfigurationError, match=r"memory: 4 workers need 800MB or more"):
        divided(CommandConfig(memory="500MB"), 4)


def test_a_process_that_shares_the_machine_counts_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cores and memory are divided by the processes, and one core is left at the least."""
    cores, memory = limits.cores(), limits.memory()
    monkeypatch.setattr(limits, "_Sharing", type("Sharing", (), {"processes": 1}))
    limits.share(2)
    assert (limits.cores(), limits.memory()) == (max(1, cores // 2), memory // 2)
    limits.share(1_000)
    assert limits.cores() == 1
