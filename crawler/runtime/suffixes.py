"""The public suffix list (publicsuffix.org).

It comes with the library `publicsuffixlist`, which is released with each change of the list, needs
nothing else and downloads nothing (`tldextract` downloads by default). Loading takes 30 ms, once in
a process, when the first host is asked for.
"""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList


class PublicSuffixes:
    """The list as `crawler.core.domain.SuffixList`, read when it is first used."""

    def privatesuffix(self, domain: str) -> str | None:
        """Return the suffix of `domain` and one label more; None where it is a suffix itself."""
        return _listed().privatesuffix(domain)

    def is_public(self, domain: str) -> bool:
        """Return whether `domain` is a public suffix."""
        return _listed().is_public(domain)


@cache
def _listed() -> PublicSuffixList:
    return PublicSuffixList()
