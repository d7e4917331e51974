"""Rows that compare the medians of two contestants."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tests.bench.measure import Sample, median_rate, rate_ratio
from tests.bench.report import Row, Target


def row(
    work: str,
    ours: Sequence[Sample],
    peer: Sequence[Sample],
    target: Target | None = None,
) -> Row:
    """Our rate over the peer's, round by round; the note gives the same for whole commands."""
    our_rate, peer_rate = median_rate(ours), median_rate(peer)
    wall = _wall_rate(ours) / _wall_rate(peer)
    return Row(
        work=work,
        ours=f"{our_rate:,.0f} pages/s",
        peer=f"{peer_rate:,.0f} pages/s",
        value=rate_ratio(ours, peer),
        target=target,
        note=f"whole commands {_walls(ours)} against {_walls(peer)}, {wall:.2f}x a page; "
        f"CPU {_cpu(ours):.0f} us against {_cpu(peer):.0f} us a page",
    )


def _wall_rate(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.pages / sample.wall for sample in samples)


def _cpu(samples: Sequence[Sample]) -> float:
    return 1e6 * statistics.median(sample.cpu / sample.pages for sample in samples)


def _walls(samples: Sequence[Sample]) -> str:
    seconds = statistics.median(sample.wall for sample in samples)
    return f"{seconds:.2f} s for {samples[0].pages:,} pages"
