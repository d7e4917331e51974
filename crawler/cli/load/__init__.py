"""`crawler load`: a load generator that can be believed.

`app` holds the commands; it is imported when one of them is used.
"""
