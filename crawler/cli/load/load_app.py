"""The commands below `crawler load`."""

from __future__ import annotations

from cyclopts import App

from crawler.cli.help_text import HELP_FLAGS, VERSION_FLAGS
from crawler.cli.load import load, load_compare, load_selftest

_HELP = "Load a server, closed loop or on schedule, and say whether to believe the figures."

_USAGE = (
    "Usage: crawler load URL...|-i LIST|--mock [OPTIONS]\n       crawler load selftest\n"
    "       crawler load compare A.json B.json"
)

_EPILOGUE = """\
Response latency counts from when a request was due, service latency from when it was sent, lag is \
the difference. Only loopback addresses are loaded unless --target-is-mine is given. Every option \
can also stand in a file (--config) or in the environment: CRAWLER_LOAD_RATE is --rate. Flags go \
before the environment, and that before the file. Exit codes: 4 for too many errors \
or a missed threshold, 5 for a run that cannot be believed.

For example:

  crawler load --mock
  crawler load http://127.0.0.1:8080/page/1 --rate 5000 --duration 60
  crawler load -i urls.txt --stages 10s:1000,30s:5000 --report report.html
  crawler load http://127.0.0.1:8080/page/1 --threshold 'p99<50ms'
  crawler load http://127.0.0.1:8080/page/1 --find-limit 'p99<50ms'
"""

app = App(
    name="load",
    help=_HELP,
    usage=_USAGE,
    help_epilogue=_EPILOGUE,
    default_command=load.load,
    version_flags=VERSION_FLAGS,
    help_flags=HELP_FLAGS,
)
app.command(load_selftest.selftest, help=load_selftest.HELP, help_epilogue="")
app.command(
    load_compare.compare, help=load_compare.HELP, usage=load_compare.USAGE, help_epilogue=""
)
