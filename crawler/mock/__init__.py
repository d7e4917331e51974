"""A deterministic mock web to crawl: every answer follows from the seed, the host and the path.

In a test or a script:

    with running(MockWeb(pages=100, latency=0.1)) as web:
        crawl(web.urls())

Inside an event loop `async with serve(options) as web`; as a program `main_loop`. The paths it
answers are listed in `crawler.mock.paths` (pages, statuses, redirects, ...) and
`crawler.mock.faults` (delays, encodings, broken answers).

Modules: options, distribution, answer (values); graph, pages, paths, prefixes, faults, web (pure:
request to answer); wire (answer to bytes); responder (cache and counters) with table, ledger,
eventlog, timing; connection, opened, listen, certificates, handshakes (sockets); serving (one
process), supervisor, workers, worker (several), control (the paths that begin with `/__`), access
(log); server, served, loops (the ways in); pytest_plugin.
"""

from crawler.mock.options import MockWeb
from crawler.mock.responder import Statistics
from crawler.mock.served import Served
from crawler.mock.server import main_loop, running, serve
from crawler.runtime.loop import LoopFactory, new_event_loop

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
