"""Reasons not to follow a found URL: a closed set, so that each can be counted."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """A reason, with its text in records and summaries as the value."""

    OUT_OF_SCOPE = "out of scope"
    EXCLUDED = "excluded by a pattern"
    NOT_INCLUDED = "included by no pattern"

    URL_LENGTH = "URL too long"
    PATH_DEPTH = "path too deep"
    REPEATED_SEGMENTS = "path repeats itself"
    SESSION = "differs in its session only"
    PERMUTATION = "same query in another order"
    COMBINATIONS = "too many combinations of parameters"
    QUERIES = "too many queries of one path"
    EQUAL_CONTENT = "too many pages of equal content"
