"""Reads lists of URLs, and writes records, statistics and state."""
