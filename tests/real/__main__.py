"""`python -m tests.real`: what `make real` runs."""

import sys

from tests.real.check import main

if __name__ == "__main__":
    sys.exit(main())
