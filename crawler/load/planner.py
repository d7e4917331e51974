"""From targets and options to the plan of a run.

What cannot be sent is refused here, before the run, with the line of the list that it stands in.

There are at most `MOST_AIMS` rows of results, for the names with the largest share of the hits; the
others share the last row, so that a list of a million URLs takes no more to count than a short one.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain, count, repeat
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from crawler.load.dataset import Dataset
from crawler.load.endpoint import Endpoint, shares
from crawler.load.fields import Fields, sendable
from crawler.load.load_config import LoadConfig, statuses
from crawler.load.plan import Aim, Origin, Plan, Planned, Recipe
from crawler.load.template import (
    Compiler,
    Pieces,
    Placeholder,
    bare,
    escapes,
    is_template,
    merged,
    percent,
    pieces,
)
from crawler.model.errors import ConfigurationError, EnvironmentFailure
from crawler.model.url import InvalidUrl, parse

MOST_AIMS = 100
"""Rows of results that are counted apart."""
MOST_IN_ORDER = 10_000_000
"""Places that weighted targets may take: 80 MB."""

# Stands for the n-th placeholder of a URL while that is parsed; `parse` leaves it as it is.
_MARK = "0placeholder{}x"
_MARKED = re.compile(r"0placeholder(\d+)x")
_SERVER = re.compile(r"[^/?#\\]*[/\\]*[^/?#\\]*")
_NO_AIM = Aim(0, "", frozenset())

Target = str | Endpoint


def plan_of(config: LoadConfig, targets: Sequence[Target], begun: int = 0) -> Plan:
    """Plan a run over targets, of which a text is a URL; `begun` hits were made of them before.

    Raises `ConfigurationError` if there are none, or one that cannot be sent, and
    `EnvironmentFailure` for a file that cannot be read.
    """
    if not targets:
        raise ConfigurationError("no URL to load: give one, or a list with -i")
    drafter = _Drafter(config)
    drafts = [drafter.draft(target) for target in targets]
    head = any(draft.method == "HEAD" for draft in drafts)
    places = _places(targets)
    aims = drafter.aims(targets, drafts, places)
    requests = cast("list[Planned | Recipe]", drafts)
    for number, aim in enumerate(aims):  # each in its place, as there may be a million
        requests[number] = _request(drafts[number])._replace(aim=aim)
    order = [requests[place] for place in places]
    if config.seed:
        random.Random(config.seed).shuffle(order)  # noqa: S311 - an order, not a secret
    return Plan(
        keepalive=drafter.fields.keepalive,
        origins=tuple(drafter.origins),
        order=tuple(order),
        aims=tuple(dict(sorted((aim.number, aim) for aim in {*aims})).values()),
        head=head,
        begun=begun,
    )


def _places(targets: Sequence[Target]) -> Sequence[int]:
    """Return the targets in the order of a round, each as often as its weight, evenly spread."""
    weights = [1 if isinstance(target, str) else target.weight for target in targets]
    if len(set(weights)) == 1:
        return range(len(targets))
    times = shares(weights)
    if sum(times) > MOST_IN_ORDER:
        raise ConfigurationError("weight: too unlike each other; give smaller whole numbers")
    spread = (
        ((turn + 0.5) / whole, number)
        for number, whole in enumerate(times)
        for turn in range(whole)
    )
    return [number for _, number in sorted(spread)]


def _request(draft: _Draft | Planned | Recipe) -> Planned | Recipe:
    return draft.request if isinstance(draft, _Draft) else draft


class _Draft(NamedTuple):
    """A request that has no row of results yet, with its path as it was written."""

    request: Planned | Recipe
    method: str
    path: str
    name: str
    expect: str


class _Drafter:
    """Makes requests of targets, and numbers their origins."""

    def __init__(self, config: LoadConfig) -> None:
        self.fields = Fields.of(config)
        self.origins: dict[Origin, int] = {}
        self._expected = statuses(config.expect_status)
        self._rests: dict[Origin, bytes] = {}
        self._plain = not self.fields.templated
        self._compiler = Compiler(Dataset.read(config.data), config.seed)

    def aims(
        self, targets: Sequence[Target], drafts: Sequence[_Draft | Planned], places: Sequence[int]
    ) -> list[Aim]:
        """Return the row of results of each target; targets with the same name share it.

        In a list of URLs alone these stand for their names, which only those with a row are given.
        """
        many = len(self.origins) > 1
        self._servers = [str(origin) if many else "" for origin in self.origins]
        plain = all(isinstance(draft, Planned) for draft in drafts)
        names = targets if plain else list(map(self._label, drafts))
        targets_of = Counter(names)
        weighted = len(places) > len(names)
        shares_of = Counter(map(names.__getitem__, places)) if weighted else targets_of
        rows = {name: row for row, (name, _) in enumerate(shares_of.most_common(MOST_AIMS))}
        others = len(drafts) - sum(targets_of[name] for name in rows)
        found, kept = [], dict[Target, str]()
        rest = Aim(MOST_AIMS, f"{others:,} other targets", self._expected, others)
        for name, draft in zip(names, drafts, strict=True):
            given = draft.expect if isinstance(draft, _Draft) else ""
            expected = statuses(given) if given else self._expected
            if name in rows:
                kept[name] = kept.get(name) or self._label(draft)
                found.append(Aim(rows[name], kept[name], expected, targets_of[name]))
            else:
                found.append(rest if not given else rest._replace(expected=expected))
        return found

    def _label(self, draft: _Draft | Planned) -> str:
        """Return the name of a target: the one given, else method, server (if several) and path."""
        if isinstance(draft, _Draft) and draft.name:
            return draft.name
        return f"{draft.method} {self._servers[_request(draft).origin]}{draft.path}"

    def draft(self, target: Target) -> _Draft | Planned:
        if isinstance(target, str):
            if self._plain and not is_template(target):
                return self._fixed(target)
            target = Endpoint(url=target)
        where = target.source or f"cannot load {target.url!r}"
        try:
            return self._drafted(target)
        except ValueError as error:
            raise ConfigurationError(f"{where}: {error}") from None
        except EnvironmentFailure as error:
            raise EnvironmentFailure(f"{where}: {error}") from None

    def _fixed(self, url: str) -> Planned:
        """Return the request of a URL that needs no fields but the common ones."""
        try:
            origin, (path,) = _located(url)
        except ValueError as error:
            raise ConfigurationError(f"cannot load {url!r}: {error}") from None
        if origin not in self._rests:
            self._rests[origin] = self.fields.rest(origin.authority)
        data = f"{self.fields.method} {path} HTTP/1.1\r\n".encode("ascii") + self._rests[origin]
        return Planned(self._number(origin), data, _NO_AIM)

    def _number(self, origin: Origin) -> int:
        return self.origins.setdefault(origin, len(self.origins))

    def _drafted(self, target: Endpoint) -> _Draft:
        fields = self.fields.of_target(target)
        origin, path = _located(target.url)
        number, head = self._number(origin), [f"{fields.method} ", *path, " HTTP/1.1\r\n"]
        request: Planned | Recipe
        if len(path) == 1 and not fields.templated:
            data = bare(head, str).encode("ascii") + fields.rest(origin.authority)
            request = Planned(number, data, _NO_AIM)
        else:
            request = self._recipe(number, head, fields, origin)
        return _Draft(
            request=request,
            method=fields.method,
            path="".join(p if isinstance(p, str) else f"{{{{{p.text}}}}}" for p in path),
            name=target.name,
            expect=target.expect_status,
        )

    def _recipe(self, number: int, head: Pieces, fields: Fields, origin: Origin) -> Recipe:
        compiled, places = self._compiler.segments, count()
        segments = [compiled(head, repeat(percent), places)]
        for name, value in fields.lines(origin.authority):
            line = [f"{name}: ", *pieces(value), "\r\n"]
            segments.append(compiled(line, repeat(sendable), places))
        text = fields.text
        kinds = escapes(text, fields.value("content-type").lower())
        body = compiled(text, kinds, places) if text else (fields.body,)
        return Recipe(number, merged(chain(*segments)), merged(body), fields.sized, _NO_AIM)


def _located(url: str) -> tuple[Origin, Pieces]:
    """Return the origin of a URL, and its path and query at their placeholders."""
    found = pieces(url)
    placeholders = [piece for piece in found if isinstance(piece, Placeholder)]
    marked = bare(found, _MARK.format) if len(found) > 1 else url
    server = _SERVER.match(marked)
    if placeholders and server is not None and _MARKED.search(server[0]):
        raise ValueError("a template can stand in the path and the query alone")
    if isinstance(parsed := parse(marked), InvalidUrl):
        raise ValueError(f"not a URL to load: {parsed.reason}")  # noqa: TRY004  not about its type
    parts = urlsplit(parsed.href)
    tls = parts.scheme == "https"
    origin = Origin(tls, parts.hostname or "", parts.port or (443 if tls else 80))
    path = parsed.href[parsed.href.index("/", len(parts.scheme) + 3) :]
    if not placeholders:
        return origin, [path]
    split = _MARKED.split(path)
    return origin, [placeholders[int(each)] if n % 2 else each for n, each in enumerate(split)]
