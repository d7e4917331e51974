"""Sends spans to an OpenTelemetry collector, by the extra `otlp`: OTLP over HTTP, in batches.

A thread sends what a bounded queue holds; nobody waits for it. A collector that is slow or away
costs spans, and one line at the end. The variables of OpenTelemetry hold for headers, certificates,
compression, the queue and the resource (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, ...).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from crawler.model.errors import EnvironmentFailure
from crawler.model.event import told_url
from crawler.model.extras import install
from crawler.model.version import VERSION
from crawler.model.watching_config import WatchingConfig

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

    from crawler.engine.steps import VisitEnd

CLOSING = 5.0
"""Seconds for the last spans at the end of a crawl, and for one batch."""

_GIVING_UP = 1.0  # seconds for a batch that is under way once the time is over
_PACKAGES = ("opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def require_otlp() -> None:
    """Raise `EnvironmentFailure` where the extra `otlp` is missing."""
    try:
        there = all(find_spec(name) is not None for name in _PACKAGES)
    except ModuleNotFoundError:  # of a package around it
        there = False
    if not there:
        raise EnvironmentFailure(
            f"--otlp needs OpenTelemetry, which is not installed; {install('otlp')}"
        )


@contextmanager
def exporting_visits(
    config: WatchingConfig,
    run: str,
    say: Callable[[str], None],
    *,
    partition: int | None = None,
) -> Iterator[Callable[[VisitEnd], None]]:
    """Yield what takes visits of a run; at the end `say` is told, in a line, if any were lost.

    Raises `EnvironmentFailure`.
    """
    require_otlp()
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider

    from crawler.engine.visit_traces import VisitIds, VisitTraces, sampler

    ids, counts = VisitIds(), SpanCounts()
    about = {"service.name": "crawler", "service.version": VERSION, "service.instance.id": run}
    provider = TracerProvider(
        sampler=sampler(config.otlp_sample),
        resource=Resource.create(about).merge(OTELResourceDetector().detect()),
        shutdown_on_exit=False,
        id_generator=ids,
    )
    with _quiet(counts):
        _connect(provider, config.otlp.href, counts)
        common: dict[str, str | int] = {} if partition is None else {"crawler.partition": partition}
        tracer = provider.get_tracer("crawler", VERSION)
        try:
            yield VisitTraces(tracer, ids, run, common)
        finally:
            _close(provider, counts)
    if counts.lost:
        where, why = told_url(config.otlp.href), counts.reason or "not in time"
        say(f"otlp: {counts.lost:,} of {counts.ended:,} spans did not reach {where}: {why}")


class SpanCounts(logging.Handler):
    """Counts spans, and keeps the reason of a loss, which the library only logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._counting = threading.Lock()
        self.ended = self.sent = 0
        self.reason = ""
        self.stop: Callable[[], None] = lambda: None

    @property
    def lost(self) -> int:
        """Number of spans that did not arrive."""
        return self.ended - self.sent

    def end(self) -> None:
        """Count a span that has ended."""
        with self._counting:
            self.ended += 1

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first message, unless there was an error that says more."""
        self.reason = self.reason or record.getMessage()


def _root(error: BaseException) -> str:
    """Return the text of what first went wrong."""
    while (earlier := error.__cause__ or error.__context__) is not None:
        error = earlier
    strerror = getattr(error, "strerror", None)
    return str(strerror or error).replace("\n", " ")[:200] or type(error).__name__


@contextmanager
def _quiet(counts: SpanCounts) -> Iterator[None]:
    """Keep what the library logs from stderr, where it would break the display."""
    logger = logging.getLogger("opentelemetry")
    before, logger.propagate = logger.propagate, False
    logger.addHandler(counts)
    try:
        yield
    finally:
        logger.removeHandler(counts)
        logger.propagate = before


def _connect(provider: TracerProvider, url: str, counts: SpanCounts) -> None:
    """Have the provider's spans counted and sent."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
    from requests import RequestException, Session
    from requests.adapters import HTTPAdapter

    class NotingAdapter(HTTPAdapter):
        def send(self, *args: Any, **options: Any) -> Any:
            try:
                return super().send(*args, **options)
            except RequestException as error:
                counts.reason = _root(error)
                raise

    class CountedExporter(OTLPSpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = super().export(spans)
            if result is SpanExportResult.SUCCESS:
                counts.sent += len(spans)
            return result

    class CountedProcessor(BatchSpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            counts.end()
            super().on_end(span)

    session = Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, NotingAdapter())
    exporter = CountedExporter(endpoint=url, timeout=CLOSING, session=session)
    counts.stop = exporter.shutdown
    provider.add_span_processor(CountedProcessor(exporter))


def _close(provider: TracerProvider, counts: SpanCounts) -> None:
    """Send what is left, within `CLOSING` seconds; the library itself would take 30."""
    closing = threading.Thread(target=provider.shutdown, name="otlp-close", daemon=True)
    closing.start()
    closing.join(CLOSING)
    if closing.is_alive():
        counts.stop()
        closing.join(_GIVING_UP)
