"""Traces with OpenTelemetry (the extra `otel`), named as its semantic conventions for messaging in batches say.

    process TOPIC           consumer, one per epoch, a trace of its own; links to the context of every document
    |- validate, segment, answer, assemble
    |- send                 client, the transaction; links to the create spans
    create TARGET           producer, one per document, in the document's own trace; from read to visible

An output record carries the context of its `create` span, so that whoever reads it goes on in the document's trace. A
document without a valid context belongs to the trace of its epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from workers.settings import Settings
from workers.telemetry.steps import Interval
from workers.telemetry.traces import EpochTrace, Headers, TracedDocument

EXPORT_S = 5.0  # for one batch of spans; what cannot be sent is dropped
CONTEXT = TraceContextTextMapPropagator()
Attributes = dict[str, str | int]


@contextmanager
def open_tracing(settings: Settings, *, worker: str, version: str) -> Iterator[OtelTracing]:
    """Traces to the endpoint of the settings, in the background. What is left is sent at the end."""
    wanted = settings.telemetry
    assert wanted.traces_endpoint is not None
    provider = make_provider(
        ratio=wanted.traces_ratio, max_links=settings.epoch.max_records, worker=worker, version=version
    )
    exporter = OTLPSpanExporter(endpoint=wanted.traces_endpoint, timeout=EXPORT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield OtelTracing(provider.get_tracer("workers", version), group=settings.kafka.group_id)
    finally:
        provider.shutdown()


def make_provider(*, ratio: float, max_links: int, worker: str, version: str) -> TracerProvider:
    """Without anybody to send to. A context that came with a document decides for that document."""
    named = {"service.name": "enrich-worker", "service.instance.id": worker, "service.version": version}
    return TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(ratio)),
        resource=Resource.create(named),
        span_limits=SpanLimits(max_links=max_links),
        shutdown_on_exit=False,
    )


class OtelTracing:
    """Implements Tracing."""

    def __init__(self, tracer: Tracer, *, group: str, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._tracer = tracer
        self._group = group
        self._now_ns = now_ns

    def epoch(
        self, documents: Sequence[TracedDocument], *, started_s: float, steps: Sequence[Interval], now_s: float
    ) -> EpochTrace:
        ahead_ns = self._now_ns() - int(now_s * 1e9)  # of the time of day before the worker's clock

        def at(seconds: float) -> int:
            return int(seconds * 1e9) + ahead_ns

        contexts = [context_of(document.headers) for document in documents]
        whole = self._tracer.start_span(
            f"process {documents[0].topic}",
            Context(),
            SpanKind.CONSUMER,
            self._batch(documents, operation="process") | {"messaging.destination.name": documents[0].topic},
            [Link(c, place_of(d)) for c, d in zip(contexts, documents, strict=True) if c is not None],
            at(started_s),
        )
        inside = set_span_in_context(whole, Context())
        for step in steps:
            self._tracer.start_span(step.step, inside, start_time=at(step.started_s)).end(at(step.ended_s))
        created = [
            self._create(document, context, whole, start_ns=at(started_s))
            for document, context in zip(documents, contexts, strict=True)
        ]
        send = self._tracer.start_span(
            "send",
            inside,
            SpanKind.CLIENT,
            self._batch(documents, operation="send"),
            [Link(span.get_span_context()) for span in created],
            at(now_s),
        )
        return OtelEpochTrace(whole, send, created, self._now_ns)

    def _batch(self, documents: Sequence[TracedDocument], *, operation: str) -> Attributes:
        return {
            "messaging.system": "kafka",
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.consumer.group.name": self._group,
            "messaging.batch.message_count": len(documents),
        }

    def _create(self, document: TracedDocument, context: SpanContext | None, whole: Span, *, start_ns: int) -> Span:
        """In the document's trace, and linked to its epoch; in that of its epoch if it has none."""
        parent = set_span_in_context(whole, Context()) if context is None else extracted(document.headers)
        attributes: Attributes = {
            "messaging.system": "kafka",
            "messaging.operation.name": "create",
            "messaging.operation.type": "create",
            "messaging.destination.name": document.target,
        }
        links = [] if context is None else [Link(whole.get_span_context())]
        name = f"create {document.target}"
        span = self._tracer.start_span(name, parent, SpanKind.PRODUCER, attributes, links, start_ns)
        if document.failure is not None:
            span.set_attribute("error.type", document.failure)
            span.set_status(Status(StatusCode.ERROR))
        return span


class OtelEpochTrace:
    """Implements EpochTrace."""

    def __init__(self, whole: Span, send: Span, created: Sequence[Span], now_ns: Callable[[], int]) -> None:
        self._whole, self._send, self._created = whole, send, created
        self._now_ns = now_ns

    def headers(self, index: int, headers: Headers) -> Headers:
        carrier: dict[str, str] = {}
        CONTEXT.inject(carrier, set_span_in_context(self._created[index], Context()))
        kept = tuple((name, value) for name, value in headers if name.lower() not in CONTEXT.fields)
        return (*kept, *((name, value.encode()) for name, value in carrier.items()))

    def end(self, *, problem: str | None = None) -> None:
        end_ns = self._now_ns()
        for span in (*self._created, self._send, self._whole):
            if problem is not None:
                span.set_attribute("error.type", problem)
                span.set_status(Status(StatusCode.ERROR))
            span.end(end_ns)


def context_of(headers: Headers) -> SpanContext | None:
    """The context that a producer sent along; None if there is none that makes sense."""
    context = get_current_span(extracted(headers)).get_span_context()
    return context if context.is_valid else None


def extracted(headers: Headers) -> Context:
    carrier = {
        name.lower(): value.decode("ascii", "replace")
        for name, value in headers
        if value is not None and name.lower() in CONTEXT.fields
    }
    return CONTEXT.extract(carrier, Context())


def place_of(document: TracedDocument) -> Attributes:
    return {
        "messaging.destination.partition.id": str(document.partition),
        "messaging.kafka.offset": document.offset,
    }
