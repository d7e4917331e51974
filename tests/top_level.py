"""A list of public suffixes for tests."""

from __future__ import annotations


class TopLevelDomains:
    """The shortest list: only last labels are suffixes."""

    def privatesuffix(self, domain: str) -> str | None:
        """Return the last two labels; None if there is only one."""
        return ".".join(domain.split(".")[-2:]) if "." in domain else None

    def is_public(self, domain: str) -> bool:
        """Tell whether `domain` is a single label."""
        return "." not in domain
