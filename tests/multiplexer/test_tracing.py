"""Spans of commits and their telling, on the SDK's exporter in memory."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from broker.messages import Action, Parcel, Update
from broker.otel import OtelTraces
from multiplexer.dispatcher import Job
from multiplexer.engine import Result
from multiplexer.tracing import MOST, Tracing

from .test_dispatcher import Handed

UPDATE = Update("a{}", "e", 1, 2, b"")
RANG_AT = 1.7e9


class Traced:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.traces = OtelTraces(provider)
        self.tracing = Tracing(self.traces)

    def job(self, number: int, *, traced: bool = True) -> Job:
        span = self.traces.begin("action do", "") if traced else None
        context = span.context if span is not None else ""
        return Job("f", Action(1, "ada", "{}", "c", 0, number, "do", "{}", context), Handed(Parcel("f", [])))

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


@pytest.fixture
def traced() -> Traced:
    return Traced()


def result(status: str = "ok", code: str | None = None, stores: str = '{"a{}": 2}') -> Result:
    return Result(status, "null", code, None, None, None, stores)


def test_a_commit_of_several_actions(traced: Traced) -> None:
    """Each traced action has its own span, and the telling of what they did together comes of each."""
    batch = [traced.job(1), traced.job(2, traced=False), traced.job(3), traced.job(4)]
    spans = traced.tracing.began(batch)
    traced.tracing.ended(spans, [result(), result(), result(), result("refused", "too_long", "{}")])
    commits = traced.spans("commit")
    assert [(span.attributes or {})["fluxwire.batch"] for span in commits] == [4, 4, 4]
    assert [(span.attributes or {})["fluxwire.code"] for span in commits] == ["", "", "too_long"]
    told = traced.tracing.told([UPDATE], RANG_AT)
    for span in told:
        span.end()
    parents = [span.parent.span_id for span in traced.spans("publish") if span.parent is not None]
    assert parents == [span.context.span_id for span in commits[:2] if span.context is not None]
    assert {span.start_time for span in traced.spans("publish")} == {int(RANG_AT * 1e9)}
    assert traced.tracing.told([UPDATE], RANG_AT) == [], "told once"


def test_a_foreign_commit(traced: Traced) -> None:
    """A commit of somebody else is told without a trace, whether or not a batch is under way."""
    assert traced.tracing.told([UPDATE], RANG_AT) == []
    traced.tracing.began([traced.job(1)])
    assert traced.tracing.told([UPDATE], RANG_AT) == []


def test_a_batch_that_is_rolled_back(traced: Traced) -> None:
    """Its spans end, nobody waits for it any more, and what runs again has a span of its own."""
    job = traced.job(1)
    traced.tracing.ended(traced.tracing.began([job]), [])
    traced.tracing.ended(traced.tracing.began([job]), [result("retry", stores="{}")])
    assert [(span.attributes or {})["fluxwire.status"] for span in traced.spans("commit")] == ["rolled back", "retry"]
    assert traced.tracing.told([UPDATE], RANG_AT) == []


def test_what_nobody_is_told_is_forgotten(traced: Traced) -> None:
    """Stores that nobody holds are never told; memory is bounded all the same."""
    stores = "{" + ",".join(f'"s{n}": 1' for n in range(MOST)) + "}"
    for number in range(3):
        traced.tracing.ended(traced.tracing.began([traced.job(number)]), [result(stores=stores)])
    assert len(traced.tracing._contexts) <= 2 * MOST


def test_what_is_not_chosen_costs_nothing_further_on() -> None:
    """A sampler that says no leaves no context in the messages; neither does rubbish from a client."""
    assert OtelTraces(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)).begin("action do", "") is None
    chosen = Traced().traces.begin("action do", "00-rubbish" * 1000)
    assert chosen is not None
    assert chosen.context.startswith("00-")
    assert len(chosen.context) == 55
