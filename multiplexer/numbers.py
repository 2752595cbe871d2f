"""Numbers that a client could not hold (promise: a client's document hashes as the store's does).

Postgres has numbers of any size; JavaScript has IEEE 754 doubles, and RFC 8785 hashes what those can say.
"""

import json
import re
from decimal import Decimal

SUSPECT = re.compile(rb"\d[\d.]{15}|\d[eE][+-]?\d{2}")
"""Fewer digits and no great exponent always fit, so most documents are not looked into any further."""


def unfit(text: bytes) -> str | None:
    """Find a number in JSON text that no double equals.

    Args:
        text: JSON as Postgres writes it.

    Returns:
        The first such number as it is written, or None.

    """
    if SUSPECT.search(text) is None:
        return None
    found: list[str] = []

    def look(number: str) -> float:
        held = float(number)
        if held in (float("inf"), float("-inf")) or Decimal(repr(held)) != Decimal(number):
            found.append(number)
        return held

    json.loads(text, parse_int=look, parse_float=look)
    return found[0] if found else None
