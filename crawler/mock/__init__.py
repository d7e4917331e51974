"""A deterministic mock web to crawl: every answer follows from the seed, the host and the path.

In a test or a script:

    with running(MockWeb(pages=100, latency=0.1)) as web:
        crawl(web.urls())

Inside an event loop use `async with serve(options) as web`; as a program `main_loop`. `crawler mock
faults` lists the paths.

Rooms: `graph` (pages, paths, sitemaps, forms of robots.txt; pure), `faults` (misbehaviour of
servers; pure), `judge` (the truth, the ledger, the score, and a reading of RFC 9309 that shares
nothing with the crawler's) and `server` (sockets, processes, time, control). `scenario` has the
options, `reply` the requests and answers.
"""

from crawler.mock.scenario import MockWeb
from crawler.mock.server.responder import Statistics
from crawler.mock.server.running import Served, main_loop, running, serve
from crawler.runtime.event_loop import LoopFactory, new_event_loop

__all__ = [
    "LoopFactory",
    "MockWeb",
    "Served",
    "Statistics",
    "main_loop",
    "new_event_loop",
    "running",
    "serve",
]
