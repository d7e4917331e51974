"""One target under atheris: `python -m tests.fuzz.one NAME FOLDER... -libfuzzer_option=...`.

It ends as libFuzzer ends it: a first input that breaks a guarantee is written to a file, with the
traceback on stderr. Only this package's modules are traced; the libraries in C are not.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["crawler"]):
    from tests.fuzz.targets import LONGEST, check


def main() -> None:
    """Fuzz the target that the first argument names, until a libFuzzer option ends it."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, lambda data: check(name, data[:LONGEST]))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
