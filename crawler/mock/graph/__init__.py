"""A realistic web of any size: pages on many hosts, in trees, with all that crawlers stumble over.

Nothing is held for a page. Any of up to a billion has its path, kind, links and text computed from
its number, and its number from its URL: see `layout` for where pages stand, `node` for what they
are, `markup` and `link_spelling` for how they are written, `site` for what is answered.
"""
