"""`crawler mock`: a web to crawl, its truth, a crawl's score, its ledger, its catalogue.

`app` holds the commands; it is imported when one of them is used.
"""
