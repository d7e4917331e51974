"""`python -m crawler` is `crawler`."""

import sys

from crawler.cli import main

if __name__ == "__main__":  # a spawned worker imports this module, too
    sys.exit(main())
