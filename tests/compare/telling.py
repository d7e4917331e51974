"""Work that tells a test its process id, and then waits for its end."""

from __future__ import annotations

import os
from pathlib import Path
from time import sleep

from crawler.compare.design import Done, Parameters, Watch


def work(parameters: Parameters, _watch: Watch) -> Done:
    Path(parameters["path"]).write_text(str(os.getpid()))
    sleep(60)
    return Done()
