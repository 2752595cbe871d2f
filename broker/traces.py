"""Traces of actions, from a client's frame over its commit to every socket (docs/metrics.md, Traces).

Nothing here knows who gathers them; ``otel`` does. A span's *context* is a W3C ``traceparent`` as text, which travels
in messages; an empty one means that nobody traces it, and then nothing is made of it any further on.
"""

from __future__ import annotations

from typing import Protocol


class Span(Protocol):
    """Something that has begun and is not over."""

    @property
    def context(self) -> str:
        """What spans that come of it name."""

    def end(self, **facts: str | int) -> None:
        """It is over.

        Args:
            facts: What else there is to know of it.

        """


class Traces(Protocol):
    """Where spans go."""

    def begin(self, name: str, context: str, began: float | None = None, **facts: str | int) -> Span | None:
        """Begin a span.

        Args:
            name: What happens.
            context: What it comes of; "" if it begins a trace.
            began: When it began, in seconds since 1970; just now if left out.
            facts: What there is to know of it.

        Returns:
            The span; None if it was chosen not to trace this one.

        """
