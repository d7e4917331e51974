"""Every target on heaps of the words it knows: some in each run of the tests, any number on demand.

`FUZZ_EXAMPLES=100000 python -m pytest tests/fuzz` tries more, and other ones at every run.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.heaps import heaps
from tests.fuzz.targets import TARGETS, check

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
@settings(
    max_examples=EXAMPLES or 150,
    derandomize=not EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=st.data())
def test_guarantees_hold_for_any_input(name: str, data: st.DataObject) -> None:
    """No heap of words makes a target raise, leave its schema or take long."""
    check(name, data.draw(heaps(name)))
