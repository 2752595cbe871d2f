"""How processes log: lines for people, or one JSON object a line for programs (FLUXWIRE_LOG)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object, whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write it: ``time`` in UTC, ``level``, ``logger``, ``message``, and ``exception`` if there is one."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def begin(environment: Mapping[str, str]) -> None:
    """Set logging up for a process.

    Args:
        environment: Usually ``os.environ``; ``FLUXWIRE_LOG=json`` asks for JSON.

    """
    logging.basicConfig(level=logging.INFO, format=FORMAT)
    if environment.get("FLUXWIRE_LOG") == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonFormatter())
