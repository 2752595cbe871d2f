"""Traces by OpenTelemetry, of the extra ``otel``; imported only where they are asked for.

Where they go, how many, and under what name is said by OpenTelemetry's own environment variables (``OTEL_…``).
"""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()
_PREFIX = "fluxwire."
_KINDS = {"commit": SpanKind.CONSUMER, "publish": SpanKind.PRODUCER, "deliver": SpanKind.CONSUMER}
"""By name; whatever else begins is what a client asked for."""


class OtelSpan:
    """A span that is recorded; see :class:`broker.traces.Span`.

    Args:
        span: OpenTelemetry's.

    """

    __slots__ = ("_span", "context")

    def __init__(self, span: Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, set_span_in_context(span))
        self.context = carrier["traceparent"]

    def end(self, **facts: str | int) -> None:
        """See :meth:`broker.traces.Span.end`."""
        for name, value in facts.items():
            self._span.set_attribute(_PREFIX + name, value)
        self._span.end()


class OtelTraces:
    """Spans for a provider; see :class:`broker.traces.Traces`.

    Args:
        provider: Chooses which to record, and takes them.

    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("fluxwire")

    def begin(self, name: str, context: str, began: float | None = None, **facts: str | int) -> OtelSpan | None:
        """See :meth:`broker.traces.Traces.begin`."""
        span = self._tracer.start_span(
            name,
            # Not whatever the library finds in the task.
            _propagator.extract({"traceparent": context}, Context()),
            kind=_KINDS.get(name, SpanKind.SERVER),
            start_time=None if began is None else round(began * 1e9),
            attributes={_PREFIX + fact: value for fact, value in facts.items()},
        )
        return OtelSpan(span) if span.is_recording() else None

    def close(self) -> None:
        """Send what was not sent yet; takes a while."""
        self._provider.shutdown()


def exporting(service: str) -> OtelTraces:
    """Send spans to a collector, by OTLP over HTTP.

    Args:
        service: The role of this process, unless ``OTEL_SERVICE_NAME`` says otherwise.

    """
    resource = Resource.create({SERVICE_NAME: service}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OtelTraces(provider)
