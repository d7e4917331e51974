"""The commands below `crawler mock`."""

from __future__ import annotations

from cyclopts import App

from crawler.cli.help_text import HELP_FLAGS, VERSION_FLAGS
from crawler.cli.mock import change, mock_ledger, mock_listing, mock_score, serve

_HELP = "Serve a mock web on loopback, and score crawls of it."

_USAGE = "Usage: crawler mock [OPTIONS]\n       crawler mock COMMAND [OPTIONS]"

_EPILOGUE = """\
The base URL is printed once the port accepts; Ctrl-C stops the server. The same options always \
give the same bytes. Every option can also be set in a file (--scenario) or the environment: \
CRAWLER_MOCK_PAGES is --pages. Flags override the environment, which overrides the file. DIST \
is a number, uniform:A,B, lognormal:MEDIAN,SIGMA, exponential:MEAN, pareto:LEAST,ALPHA or \
file:PATH. Times are seconds, sizes bytes, or have a unit: 500ms, 10MB.

For example:

  crawler mock --pages 1e6 --hosts 100 --latency lognormal:0.1,0.5
  crawler mock --scenario config/mock-hostile.toml --port 0
  crawler mock urls | crawler crawl -i - | crawler mock score -
  crawler mock ledger --assert --max-in-flight 1
  crawler mock set http://127.0.0.1:8080 latency=1 rate=5
"""

_ABOUT = (
    "\n\nThe web is given by the options of `crawler mock` (flags, environment or --scenario), or "
    "by the server itself (--web)."
)

app = App(
    name="mock",
    help=_HELP,
    usage=_USAGE,
    help_epilogue=_EPILOGUE,
    default_command=serve.serve,
    version_flags=VERSION_FLAGS,
    help_flags=HELP_FLAGS,
)
# Only the help of `crawler mock` has the examples.
app.command(mock_listing.urls, help=f"{mock_listing.URLS_HELP}{_ABOUT}", help_epilogue="")
app.command(mock_listing.truth, help=f"{mock_listing.TRUTH_HELP}{_ABOUT}", help_epilogue="")
app.command(
    mock_score.score, help=f"{mock_score.HELP}{_ABOUT}", usage=mock_score.USAGE, help_epilogue=""
)
app.command(mock_ledger.ledger, help=mock_ledger.HELP, usage=mock_ledger.USAGE, help_epilogue="")
app.command(mock_listing.faults, help=mock_listing.FAULTS_HELP, help_epilogue="")
app.command(change.set_options, name="set", help=change.HELP, usage=change.USAGE, help_epilogue="")
