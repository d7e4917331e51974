"""The alarm that ends a page inside its worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from crawler.formats.response import Response
from crawler.model.document import RawResponse
from crawler.model.outcome import Kind
from crawler.workers.work import SLICES, Overrun, PageAlarm, Parser, Work

STOPPED = """
import sys, time
from crawler.workers.work import Overrun, PageAlarm
alarm = PageAlarm(2.0)
try:
    with alarm:
        print("begun", flush=True)
        sys.stdin.readline()
except Overrun:
    print("overrun", flush=True)
else:
    print("ended", flush=True)
"""


@pytest.mark.slow
def test_a_page_without_end_is_ended() -> None:
    """A page that never ends has `Overrun` raised in it; the next one has a limit of its own."""
    alarm = PageAlarm(0.2)
    for _ in range(2):
        with pytest.raises(Overrun), alarm:
            time.sleep(60)
    with alarm:
        pass
    alarm.close()
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_a_signal_that_comes_late_counts_for_no_page() -> None:
    """Stray signals, however many, take nothing of a page's time."""
    alarm = PageAlarm(600)
    with alarm:
        for _ in range(2 * SLICES):
            signal.raise_signal(signal.SIGALRM)
    signal.raise_signal(signal.SIGALRM)  # between two pages
    alarm.close()


@pytest.mark.slow
def test_a_stopped_process_does_not_run_out_of_time() -> None:
    """Ctrl-Z for longer than the limit: the page at work goes on where it was."""
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(3.0)  # what is tested is that time passes
        process.stdin.write("\n")
        process.stdin.flush()
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout.readline() == "ended\n"


@pytest.mark.slow
@pytest.mark.parametrize(("computes", "kind"), [(True, Kind.PARSE_TIMEOUT), (False, None)])
def test_what_a_page_waited_does_not_fail_it_afterwards(computes: bool, kind: Kind | None) -> None:
    """Where no alarm rings: a page that computed for too long has failed, one that waited has not.

    It may have waited for a stopped process to go on, or for a busy machine.
    """

    def extract(_: Response) -> dict[str, int]:
        end = time.thread_time() + 0.1
        while computes and time.thread_time() < end:
            pass
        time.sleep(0.1)  # what is tested is that time passes
        return {"a": 1}

    response = RawResponse(url="http://a.test/", status=200, content_type="", body=b"<p>")
    parsed = Parser(Work(given=extract, timeout=0.09)).parse(response)
    assert getattr(parsed, "kind", None) is kind
