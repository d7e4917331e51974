"""`crawler compare`: which concurrency model suits a work, measured.

`app` holds the commands; it is imported when one of them is used.
"""
