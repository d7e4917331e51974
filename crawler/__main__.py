"""`python -m crawler` is `crawler`."""

import sys

if __name__ == "__main__":  # a spawned worker imports this module, too
    from crawler.runtime.children import leave_current_directory

    leave_current_directory()

    from crawler.cli import main

    sys.exit(main())
