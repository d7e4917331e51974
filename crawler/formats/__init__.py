"""Bytes to values: HTML, links, character sets, robots.txt, sitemaps. Pure functions."""
