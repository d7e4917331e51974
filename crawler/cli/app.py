"""Run one command. Errors become one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial

from crawler.cli.asking import blocked
from crawler.cli.telling import complain, show_traceback
from crawler.cli.variables import unknown
from crawler.model.errors import CrawlerError, ExitCode
from crawler.model.output import printable


def run(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code. Raises `KeyboardInterrupt` if interrupted."""
    for line in unknown():
        print(f"crawler: {printable(line)}", file=sys.stderr)
    try:
        with blocked():
            return _dispatch(arguments)
    except CrawlerError as error:
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:
        _forget_output()
        return ExitCode.FINISHED
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich leaves so, with 1
            return ExitCode.FINISHED
        raise
    except Exception as error:
        if "--debug" in arguments:
            show_traceback(error)
        text = f"unexpected {type(error).__name__}: {error}; --debug shows where"
        return _fail(text, ExitCode.ENVIRONMENT)


def _dispatch(words: Sequence[str]) -> int:
    from crawler.cli.plain_words import read

    if (plain := read(words)) is not None:
        from crawler.cli.crawl_entry import begin

        call = partial(begin, *plain.seeds, **plain.options)
    else:
        from crawler.cli.commands import dispatch

        call = partial(dispatch, words)
    code = call()
    sys.stdout.flush()
    return code


def _fail(problem: str, code: int) -> int:
    complain(problem)
    return code


def _forget_output() -> None:
    """Redirect stdout to the null device, so that flushing it at exit does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
