"""A partition as its parent sees it: its process, if one runs, and how far it has come."""

from __future__ import annotations

from crawler.core.by_hand import CrawlControl
from crawler.core.collector import Snapshot
from crawler.engine.partition_messages import CallEnd, Message, PartitionCall, ProgressReport
from crawler.engine.partition_plan import CrawlPlan, Manifest, Wish
from crawler.runtime.companion import Companion, ended, obituary

_RESTARTS = 3
"""Starts after a death; those before the partition came further count no more."""
_LEAVING = 5.0  # seconds from the end of its call to that of the process; then it is killed


class PartitionHandle:
    """One partition of a run. `failed` says why it is given up, and is "" until then."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.manifest = Manifest(partition=number)
        self.taken = Snapshot()
        self.last: ProgressReport | None = None
        self.end = CallEnd()
        self.failed = ""
        self.process: Companion | None = None
        self._prepared: Companion | None = None  # it waits for a call
        self._held = False
        self._deaths = 0
        self._records = 0  # that were there at the last death
        self._given_up = ""

    def __repr__(self) -> str:
        return f"PartitionHandle({self.process!r}, {self.manifest!r})"

    def prepare(self) -> None:
        """Start its process, which waits for a call. Raises `EnvironmentFailure`."""
        self._prepared = self._begun()

    def dismiss(self) -> None:
        """End a process that was prepared and not started."""
        if self._prepared is not None:
            self._prepared.bury()
            self._prepared = None

    def start(self, plan: CrawlPlan, wish: Wish, standard_input: str = "") -> None:
        """Have a process crawl it. Raises `EnvironmentFailure`.

        standard_input: the file to read there.
        """
        self.process, self._prepared = self._prepared or self._begun(), None
        self.last = None
        self._held = False
        call = PartitionCall(
            plan=plan,
            partition=self.number,
            standard_input=standard_input,
            given_up=self._given_up,
        )
        self.process.tell(call)
        if wish is not Wish.GO_ON:
            self.process.tell(wish)

    def _begun(self) -> Companion:
        return Companion.start("crawler.engine.partition_process", f"partition {self.number}")

    def wish(self, wish: Wish) -> None:
        """Tell the process, if one runs."""
        if self.process is not None:
            hold = self._held and wish in (Wish.GO_ON, Wish.FINISH)
            self.process.tell(Wish.HOLD if hold else wish)

    def control(self, control: CrawlControl) -> None:
        """Pass on what a person asks, if a process runs."""
        if self.process is not None:
            self.process.tell(control)

    def hold(self, held: bool, wish: Wish) -> None:
        """Let the process start nothing for now, or go on as is wished."""
        if held != self._held:
            self._held = held
            self.wish(wish)

    def receive(self) -> Message | None:
        """Return the next message, which must have come; None if the process is gone."""
        message: Message | None = self.process.hear() if self.process else None
        match message:
            case ProgressReport():
                self.last, self.manifest, self.taken = message, message.manifest, message.taken
            case CallEnd():
                self.end = message
                self.manifest = message.manifest or self.manifest
                self.failed = message.error if message.foreseen else ""
        return message

    def bury(self) -> int:
        """Wait for the process, which has sent its end or is dead; return its exit code."""
        process, self.process = self.process, None
        return process.bury(_LEAVING) if process is not None else 0

    def died(self, code: int) -> str:
        """Take note of a death that nobody wanted; return what is done about it, for the user.

        It is started again a few times, and then to end its URLs; after that it has `failed`. The
        pages that it was parsing are parsed alone then (`crawler.workers.suspects`).
        """
        if self.manifest.records > self._records:
            self._deaths = 0
        self._records = self.manifest.records
        self._deaths += 1
        how = self.end.error or ended(code)
        told = self.end.error or obituary("its process", code)
        self.end = CallEnd()
        if self._deaths <= _RESTARTS:
            return f"partition {self.number} is started again: {told}"
        if self._given_up:
            self.failed = f"partition {self.number} is given up: {told}"
            return self.failed
        self._given_up = f"its partition was given up after {self._deaths} deaths: {how}"
        return f"partition {self.number} is given up after {self._deaths} deaths: {told}"

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None:
            self.process.kill()
