"""The commands, one file each, as the command-line library has them.

A command's implementation is imported when it runs, so that `crawler --help` stays quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from crawler.cli.crawl_flags import CommandWithOptions
from crawler.cli.help_text import EVERYTHING, HELP_FLAGS, VERSION_FLAGS, shorten
from crawler.model.errors import ConfigurationError, ExitCode
from crawler.model.version import VERSION

_HELP = "Crawl lists of web pages quickly and politely, and lose nothing."
_MOCK_HELP = "Serve a mock web on loopback, and score crawls of it."
_LOAD_HELP = "Load test a server, and check that the figures can be trusted."
_COMPARE_HELP = "Compare async, threads and processes, with measurements that can be trusted."
_COMPLETION_HELP = (
    "Print a shell script that completes commands, options and values.\n\n"
    "For example:\n\n"
    '  eval "$(crawler completion bash)"           # in ~/.bashrc\n'
    "  crawler completion zsh >~/.zfunc/_crawler   # a folder of $fpath\n"
    "  crawler completion fish >~/.config/fish/completions/crawler.fish\n"
)
_MODULES = {
    "crawl": "crawler.cli.crawl_command",
    "fetch": "crawler.cli.fetch",
    "status": "crawler.cli.status_command",
    "retry": "crawler.cli.retry_command",
    "summary": "crawler.cli.summary_command",
    "doctor": "crawler.cli.doctor_command",
}
_ELSEWHERE = ("mock", "load", "compare")  # groups of commands, each with an application


def dispatch(arguments: Sequence[str]) -> int:
    """Run the command that the words ask for; raises `ConfigurationError` if they are wrong."""
    words = _spoken(arguments)
    try:
        return _called(words)
    except CycloptsError as error:
        raise ConfigurationError(str(error)) from error


def _spoken(arguments: Sequence[str]) -> list[str]:
    """Return the words, with `help COMMAND` as `COMMAND --help`, and `--all` as `--help-all`."""
    words = list(arguments)
    if words[:1] != ["help"]:
        return words
    flag = EVERYTHING if "--all" in words else "--help"
    return [*(word for word in words if word not in ("help", "--all")), flag]


def _called(words: list[str]) -> int:
    app = _app(words)
    asked = _command(app, words)
    shorten(app, words)
    call = partial(app, words, exit_on_error=False, print_error=False, verbose=False)
    if not isinstance(asked, CommandWithOptions):
        return _code(call())
    try:
        _narrow(asked, words)
        return _code(call())
    except CycloptsError:
        asked.widen()  # the error names options, perhaps a closer one
        return _code(call())
    finally:
        asked.widen()


def _narrow(command: object, words: Sequence[str]) -> None:
    if isinstance(command, CommandWithOptions) and not set(HELP_FLAGS) & set(words):
        command.narrow(words)


def _command(app: App, words: Sequence[str]) -> object:
    """Return the command that the words ask for, None if it is a group of commands."""
    _, apps, _ = app.parse_commands(words)
    return apps[-1].default_command


def _code(result: object) -> int:
    return result if isinstance(result, int) else ExitCode.FINISHED


def _app(words: Sequence[str]) -> App:
    """Return the application; only the command that is asked for is imported."""
    app = App(
        name="crawler",
        help=_HELP,
        version=VERSION,
        version_flags=VERSION_FLAGS,
        help_flags=HELP_FLAGS,
        help_format="plaintext",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    asked = next((word for word in words if not word.startswith("-")), "")
    for name, place in _MODULES.items():
        if asked in _ELSEWHERE or (asked in _MODULES and asked != name):
            app.command(f"{place}:{name}", name=name)  # imported if ever it is needed
            continue
        module = import_module(place)
        command = getattr(module, name)
        if asked == name:
            _narrow(command, words)  # before the library looks at each option
        app.command(command, help=module.HELP, usage=module.USAGE)
    app.command("crawler.cli.mock.mock_app:app", name="mock", help=_MOCK_HELP)
    app.command("crawler.cli.load.load_app:app", name="load", help=_LOAD_HELP)
    app.command("crawler.cli.compare.compare_app:app", name="compare", help=_COMPARE_HELP)
    app["--help"].help = f"Show the common options of a command; {EVERYTHING} shows all."
    app["--version"].help = "Show the version."
    _add_completion(app)
    return app


def _add_completion(app: App) -> None:

    def completion(
        shell: Annotated[
            Literal["bash", "zsh", "fish"], Parameter(help="Shell of the script.", metavar="SHELL")
        ],
    ) -> int:
        script = app.generate_completion(prog_name="crawler", shell=shell)
        # Bash completes file names by itself where nothing else fits, if it is told to.
        print(script.replace("complete -F ", "complete -o default -F "), end="")
        return ExitCode.FINISHED

    app.command(completion, help=_COMPLETION_HELP, usage="Usage: crawler completion bash|zsh|fish")
