"""One target under hypothesis: heaps of the words that it knows, with bytes between them.

    python -m tests.fuzz.heaps NAME SECONDS FOLDER

An input that breaks a guarantee is made small, written into the folder, and ends the run.
"""

from __future__ import annotations

import sys
import time
import traceback
from hashlib import sha256
from operator import mul
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.pieces import PIECES, SEEDS
from tests.fuzz.targets import check

_OFTEN = 300  # times that a word stands in a row: what is slow for many shows by then
_ROUND = 500  # examples between two looks at the clock


def heaps(name: str) -> st.SearchStrategy[bytes]:
    """Inputs for a target."""
    known = st.sampled_from([*PIECES[name], *SEEDS[name]])
    often = st.builds(mul, known, st.integers(2, _OFTEN))
    return st.lists(known | st.binary(max_size=6) | often, max_size=40).map(b"".join)


class Run:
    """Examples of one target until the time is over, and the smallest that failed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.executions = 0
        self.failed: bytes | None = None

    def until(self, end: float) -> None:
        """Run until `end` (monotonic seconds); raises what the target raises."""

        @settings(
            max_examples=_ROUND,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(heaps(self.name))
        def examples(data: bytes) -> None:
            self.executions += 1
            self.failed = data
            check(self.name, data)

        while time.monotonic() < end:
            examples()
        self.failed = None


def main() -> int:
    """Fuzz as the arguments say; 1 if an input broke a guarantee."""
    name, seconds, folder = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    run = Run(name)
    try:
        run.until(time.monotonic() + seconds)
    except BaseException:
        traceback.print_exc()
        data = run.failed or b""
        (folder / f"heap-{sha256(data).hexdigest()[:16]}").write_bytes(data)
        return 1
    finally:
        print(f"stat::number_of_executed_units: {run.executions}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
