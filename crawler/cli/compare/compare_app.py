"""The commands below `crawler compare`."""

from __future__ import annotations

from cyclopts import App

from crawler.cli.compare import compare_command, rerun
from crawler.cli.crawl_flags import VERSION_FLAGS
from crawler.cli.help_text import HELP_FLAGS

_HELP = (
    "Compare async, threads and processes on the same work, and show what the interpreter's "
    "lock does."
)

_USAGE = (
    "Usage: crawler compare [EXPERIMENT...] [OPTIONS]\n"
    "       crawler compare call FUNCTION [OPTIONS]\n"
    "       crawler compare report REPORT\n"
    "       crawler compare rerun REPORT"
)

_EPILOGUE = """\
Without an experiment, sequential, threaded and asynchronous crawls are compared in half a minute; \
with --quick or --full, or the word all, every experiment is run, each configuration in fresh \
processes. The order in each round is drawn by chance; words such as faster rest on intervals. \
Every option can also stand in a file (--config) or in the environment: CRAWLER_COMPARE_BUDGET is \
--budget. Exit code 5 for unequal or failed work, as its comparison cannot be believed.

For example:

  crawler compare                         # which engine, here, in half a minute
  crawler compare --mock-latency 200ms --width 500
  crawler compare --quick --report out/   # everything, in ten minutes
  crawler compare call shop.prices:total --inputs lines.txt
  crawler compare demo                    # who holds the lock when, as a picture
  crawler compare cpu race --rounds 10
  crawler compare --urls list.txt --python python3.14
  crawler compare noise --sabotage 5%     # would it find a difference?
"""

app = App(
    name="compare",
    help=_HELP,
    usage=_USAGE,
    help_epilogue=_EPILOGUE,
    default_command=compare_command.compare,
    version_flags=VERSION_FLAGS,
    help_flags=HELP_FLAGS,
)
for command, text, usage in (
    (compare_command.call, compare_command.CALL_HELP, compare_command.CALL_USAGE),
    (rerun.report, rerun.PAGE_HELP, rerun.PAGE_USAGE),
    (rerun.rerun, rerun.HELP, rerun.USAGE),
):
    app.command(command, help=text, usage=usage, help_epilogue="")
