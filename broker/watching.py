"""How far a process lets itself be watched: settings that fronts and multiplexers read alike (docs/metrics.md)."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from .log import LEVELS
from .traces import Traces

NAMES = frozenset({"FLUXWIRE_LOG", "FLUXWIRE_LOG_LEVEL", "FLUXWIRE_SLOW_SECONDS", "FLUXWIRE_TRACES"})
"""The names of these settings."""


@dataclass(frozen=True, slots=True)
class Watching:
    """What is wanted beside metrics."""

    slow: float = 1.0
    """An action that takes so many seconds leaves a line in the log; FLUXWIRE_SLOW_SECONDS."""
    traces: bool = False
    """Whether actions are traced; FLUXWIRE_TRACES=1."""

    @contextmanager
    def tracing(self, service: str) -> Iterator[Traces | None]:
        """Where spans go, if they are wanted; at the end those are sent that were not yet.

        Args:
            service: The role of this process.

        """
        if not self.traces:
            yield None
            return
        from .otel import exporting  # noqa: PLC0415 - an extra, and slow to load

        traces = exporting(service)
        try:
            yield traces
        finally:
            traces.close()


def read_watching(environment: Mapping[str, str]) -> tuple[Watching, list[str]]:
    """Read the settings, and what is wrong with them, a sentence each.

    Args:
        environment: Usually ``os.environ``.

    """
    faults = []
    slow = _seconds(environment.get("FLUXWIRE_SLOW_SECONDS") or "1")
    if not 0 <= slow < math.inf:
        faults.append(f"FLUXWIRE_SLOW_SECONDS must be a number, not {environment['FLUXWIRE_SLOW_SECONDS']!r}")
    traces = environment.get("FLUXWIRE_TRACES", "")
    if traces not in {"", "0", "1"}:
        faults.append(f"FLUXWIRE_TRACES must be 0 or 1, not {traces!r}")
    if traces == "1" and importlib.util.find_spec("opentelemetry") is None:
        faults.append("FLUXWIRE_TRACES needs the extra otel: pip install 'fluxwire[otel]'")
    form, level = environment.get("FLUXWIRE_LOG", ""), environment.get("FLUXWIRE_LOG_LEVEL", "")
    if form not in {"", "json"}:
        faults.append(f"FLUXWIRE_LOG must be json or nothing, not {form!r}")
    if level and level not in LEVELS:
        faults.append(f"FLUXWIRE_LOG_LEVEL must be one of {', '.join(LEVELS)}, not {level!r}")
    return Watching(slow, traces == "1"), faults


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
