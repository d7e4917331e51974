"""`make real`: the crawler against nginx and 526 real pages, checked by an independent parser."""
