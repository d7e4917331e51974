"""`crawler completion SHELL`: shell completion of commands, options and values."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from crawler.model.errors import ExitCode

Shell = Literal["bash", "zsh", "fish"]

HELP = (
    "Print a shell script that completes commands, options and values.\n\n"
    "For example:\n\n"
    '  eval "$(crawler completion bash)"           # in ~/.bashrc\n'
    "  crawler completion zsh >~/.zfunc/_crawler   # a folder of $fpath\n"
    "  crawler completion fish >~/.config/fish/completions/crawler.fish\n"
)


def add_completion(app: App) -> None:
    """Add the command that prints completion for `app`."""

    def completion(
        shell: Annotated[Shell, Parameter(help="Shell of the script.", metavar="SHELL")],
    ) -> int:
        script = app.generate_completion(prog_name="crawler", shell=shell)
        # Bash completes file names by itself where nothing else fits, if it is told to.
        print(script.replace("complete -F ", "complete -o default -F "), end="")
        return ExitCode.FINISHED

    app.command(completion, help=HELP, usage="Usage: crawler completion bash|zsh|fish")
