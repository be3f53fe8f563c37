"""Spans of an epoch, as the SDK's exporter in memory sees them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.fakes.models import POISON
from tests.fakes.pipelines import log_of, oracle_worker, payload
from workers.settings import EpochSettings, Settings
from workers.telemetry.otel import OtelTracing, context_of, make_provider
from workers.telemetry.steps import Interval
from workers.telemetry.traces import Headers, TracedDocument
from workers.transport.base import Partition
from workers.transport.memory import Fault, MemoryLog, MemoryTransport

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED: Headers = (("traceparent", f"00-{TRACE}-{SPAN}-01".encode()), ("tracestate", b"vendor=1"))
UNSAMPLED: Headers = (("traceparent", f"00-{TRACE}-{SPAN}-00".encode()),)


class Traced:
    """A Tracing, and what was exported."""

    def __init__(self, *, ratio: float = 1.0) -> None:
        self.exporter = InMemorySpanExporter()
        provider = make_provider(ratio=ratio, max_links=512, worker="w1", version="1")
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = OtelTracing(provider.get_tracer("test"), group="enrich")

    def spans(self, start: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name.startswith(start)]

    def one(self, start: str) -> ReadableSpan:
        (span,) = self.spans(start)
        return span


def document(headers: Headers = (), *, offset: int = 0, failure: str | None = None) -> TracedDocument:
    target = "documents.dead" if failure else "documents.enriched"
    return TracedDocument("documents", 0, offset, headers, target, failure)


def trace_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def run_epoch(traced: Traced, documents: Sequence[TracedDocument]) -> list[Headers]:
    steps = [Interval("validate", 10.0, 10.5), Interval("answer", 10.5, 12.0)]
    trace = traced.tracing.epoch(documents, started_s=10.0, steps=steps, now_s=13.0)
    out = [trace.headers(n, d.headers) for n, d in enumerate(documents)]
    trace.end()
    return out


def test_the_output_goes_on_in_the_documents_trace() -> None:
    traced = Traced()
    (headers,) = run_epoch(traced, [document((("other", b"kept"), *SAMPLED))])
    create = traced.one("create")
    assert trace_id(create) == TRACE
    assert create.parent is not None
    assert f"{create.parent.span_id:016x}" == SPAN
    assert create.kind is SpanKind.PRODUCER
    context = context_of(headers)
    assert context is not None
    assert context.span_id == span_id(create)
    assert dict(headers)["tracestate"] == b"vendor=1"
    assert headers[0] == ("other", b"kept")
    assert len(headers) == 3


def test_an_epoch_links_to_every_document_and_they_to_it() -> None:
    traced = Traced()
    run_epoch(traced, [document(SAMPLED, offset=7), document(offset=8)])
    whole = traced.one("process documents")
    assert whole.kind is SpanKind.CONSUMER
    assert whole.parent is None
    assert [f"{link.context.trace_id:032x}" for link in whole.links] == [TRACE]
    assert dict(whole.links[0].attributes or {}) == {
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 7,
    }
    attributes = whole.attributes or {}
    assert attributes["messaging.system"] == "kafka"
    assert attributes["messaging.batch.message_count"] == 2
    assert attributes["messaging.consumer.group.name"] == "enrich"
    with_trace, without = traced.spans("create")
    assert [link.context.span_id for link in with_trace.links] == [span_id(whole)]
    assert trace_id(without) == trace_id(whole)
    assert len(traced.one("send").links) == 2


def test_steps_are_children_with_their_own_times() -> None:
    traced = Traced()
    run_epoch(traced, [document()])
    whole = traced.one("process")
    for name, began_s, took_s in (("validate", 0.0, 0.5), ("answer", 0.5, 1.5)):
        step = traced.one(name)
        assert step.parent is not None
        assert step.parent.span_id == span_id(whole)
        assert step.start_time is not None
        assert step.end_time is not None
        assert whole.start_time is not None
        assert (step.start_time - whole.start_time) / 1e9 == pytest.approx(began_s, abs=1e-6)
        assert (step.end_time - step.start_time) / 1e9 == pytest.approx(took_s, abs=1e-6)


def test_a_document_whose_producer_does_not_sample_is_not_exported_but_keeps_its_trace() -> None:
    traced = Traced()
    (headers,) = run_epoch(traced, [document(UNSAMPLED)])
    assert traced.spans("create") == []
    context = context_of(headers)
    assert context is not None
    assert f"{context.trace_id:032x}" == TRACE
    assert not context.trace_flags.sampled


def test_a_document_that_is_sampled_stays_so_where_epochs_are_not() -> None:
    traced = Traced(ratio=0.0)
    run_epoch(traced, [document(SAMPLED)])
    assert traced.spans("process") == []
    assert trace_id(traced.one("create")) == TRACE


@pytest.mark.parametrize("value", [b"", b"nonsense", b"\xff\x00", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", None])
def test_a_context_that_makes_no_sense_is_replaced_by_the_epochs(value: bytes | None) -> None:
    traced = Traced()
    (headers,) = run_epoch(traced, [document((("traceparent", value),))])
    assert [name for name, _ in headers] == ["traceparent"]
    context = context_of(headers)
    assert context is not None
    assert f"{context.trace_id:032x}" == trace_id(traced.one("process"))


def test_a_dead_letter_is_an_error_of_its_document_alone() -> None:
    traced = Traced()
    run_epoch(traced, [document(), document(failure="validate.invalid_json")])
    good, bad = traced.spans("create")
    assert good.status.status_code is not StatusCode.ERROR
    assert bad.status.status_code is StatusCode.ERROR
    assert (bad.attributes or {})["error.type"] == "validate.invalid_json"
    assert traced.one("process").status.status_code is not StatusCode.ERROR


def worked(log: MemoryLog, traced: Traced) -> None:
    settings = Settings(epoch=EpochSettings(max_records=4, poll_ms=5))
    with oracle_worker(MemoryTransport(log), settings=settings) as worker:
        worker.tracing = traced.tracing
        worker.run()


def test_a_worker_carries_each_trace_to_its_own_output_and_tells_no_text() -> None:
    traced = Traced()
    log = MemoryLog(partitions=1)
    for number in range(6):
        headers: Headers = (("traceparent", f"00-{number + 1:032x}-{SPAN}-01".encode()),)
        log.append("documents", b"%d" % number, payload(f"Secret {number}.", name=str(number)), headers)
    log.append("documents", b"6", payload(f"{POISON} secret.", name="6"), SAMPLED)
    worked(log, traced)
    for record in log.read("documents.enriched"):
        context = context_of(record.headers)
        assert context is not None
        assert context.trace_id == int(record.key or b"") + 1
        assert f"{context.span_id:016x}" != SPAN
    (dead,) = log.read("documents.dead")
    assert (found := context_of(dead.headers)) is not None
    assert f"{found.trace_id:032x}" == TRACE
    assert {"validate", "segment", "answer", "assemble"} <= {s.name for s in traced.exporter.get_finished_spans()}
    assert "ecret" not in "".join(span.to_json() for span in traced.exporter.get_finished_spans())


def test_an_epoch_that_is_read_again_ends_in_error_and_is_traced_again() -> None:
    traced = Traced()
    log = log_of(payload("Text.", name="a"))
    log.faults[Partition("documents", 0), 0] = Fault.REFUSED
    worked(log, traced)
    first, second = traced.spans("process")
    assert first.status.status_code is StatusCode.ERROR
    assert (first.attributes or {})["error.type"] == "PublishFailed"
    assert second.status.status_code is not StatusCode.ERROR


def test_without_tracing_the_context_is_passed_on_as_it_came() -> None:
    log = MemoryLog(partitions=1)
    log.append("documents", b"k", payload("Text.", name="a"), SAMPLED)
    with oracle_worker(MemoryTransport(log)) as worker:
        worker.run()
    headers = log.read("documents.enriched")[0].headers
    assert [pair for pair in headers if pair[0].startswith("trace")] == list(SAMPLED)
