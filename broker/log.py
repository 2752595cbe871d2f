"""How processes log: lines for people, or one JSON object a line for programs (docs/metrics.md, Logs)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"

LEVELS = ("debug", "info", "warning", "error")

LOGGERS = ("broker", "front", "multiplexer")
"""Whose level is set: libraries that told everything would drown them."""


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object, whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write it: ``time`` in UTC, ``level``, ``logger``, ``message``, its ``fields``, and an ``exception``."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def begin(environment: Mapping[str, str]) -> None:
    """Set logging up for a process.

    Args:
        environment: Usually ``os.environ``; ``FLUXWIRE_LOG=json`` asks for JSON, FLUXWIRE_LOG_LEVEL is one of
            :data:`LEVELS`.

    """
    logging.basicConfig(level=logging.INFO, format=FORMAT)
    level = environment.get("FLUXWIRE_LOG_LEVEL", "")
    if level in LEVELS:
        for name in LOGGERS:
            logging.getLogger(name).setLevel(level.upper())
    if environment.get("FLUXWIRE_LOG") == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonFormatter())
