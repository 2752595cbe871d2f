"""Which commit came of which traced action, and how it was told.

A batch's answer says what each action reached, and which patches all of them made; a store and the version it reached
join the two.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest

import orjson

from broker.messages import Update
from broker.traces import Span, Traces

from .dispatcher import Job
from .engine import Result

MOST = 10_000
"""Stores' versions remembered at most; what nobody holds is never told, and forgotten by this."""


class Tracing:
    """Spans of commits and of their telling.

    Args:
        traces: Where they go.

    """

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self._contexts: dict[tuple[str, int], list[str]] = {}  # of commits, by what they reached

    def began(self, batch: Sequence[Job]) -> list[Span | None]:
        """A batch is about to run; its actions' spans."""
        return [
            self._traces.begin("commit", job.action.trace, batch=len(batch)) if job.action.trace else None
            for job in batch
        ]

    def ended(self, spans: Iterable[Span | None], results: Sequence[Result]) -> None:
        """It ran, or was rolled back.

        Args:
            spans: As :meth:`began` made them.
            results: In the same order; none if it was rolled back.

        """
        for span, result in zip_longest(spans, results):
            if span is None:
                continue
            if result is None:
                span.end(status="rolled back")
                continue
            span.end(status=result.status, code=result.code or "")
            if len(self._contexts) >= MOST:
                self._contexts.clear()
            for reached in orjson.loads(result.stores).items():
                self._contexts.setdefault(reached, []).append(span.context)

    def told(self, updates: Sequence[Update], heard_at: float) -> list[Span]:
        """Begin the spans of telling a commit; end them when it is told.

        Args:
            updates: Those of the commit.
            heard_at: When it was heard of, in seconds since 1970.

        """
        reached = [(update.key, update.to_version) for update in updates]
        contexts = dict.fromkeys(chain.from_iterable(self._contexts.pop(one, ()) for one in reached))
        spans = (self._traces.begin("publish", context, heard_at, updates=len(updates)) for context in contexts)
        return [span for span in spans if span is not None]
