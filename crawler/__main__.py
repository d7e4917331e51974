"""`python -m crawler` is `crawler`."""

import sys

if __name__ == "__main__":  # a spawned worker imports this module, too
    # Python has put the current directory in front: leave it before anything else is imported.
    here = "" if sys.flags.safe_path else sys.path.pop(0)

    from crawler.runtime.children import search_checkout

    search_checkout(here)

    from crawler.cli import main

    sys.exit(main())
