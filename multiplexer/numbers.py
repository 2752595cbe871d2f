"""Numbers that a client could not hold (promise: a client's document hashes as the store's does).

Postgres has numbers of any size; JavaScript has IEEE 754 doubles, and RFC 8785 hashes what those can say.
"""

import json
from decimal import Decimal

DIGITS = b"0123456789."
_RUNS = bytes.maketrans(DIGITS, b"0" * len(DIGITS))
_LONG = b"0" * 16
_SHAPES = bytes(
    {
        **dict.fromkeys(b" \t\r\n:,[]{}", ord(",")),
        **dict.fromkeys(b"eE", ord("e")),
        **dict.fromkeys(b"+-", ord("-")),
    }.get(byte, ord("x"))
    for byte in range(256)
)
_EXPONENTS = (b",e,", b",e-,", b",-e,", b",-e-,")
"""What is left of a number with an exponent, and of nearly nothing else, when its digits are taken out."""


def unfit(text: bytes) -> str | None:
    """Find a number in JSON text that no double equals.

    Args:
        text: JSON as Postgres writes it.

    Returns:
        The first such number as it is written, or None.

    """
    if not _suspect(text):
        return None
    found: list[str] = []

    def look(number: str) -> float:
        held = float(number)
        if held in (float("inf"), float("-inf")) or Decimal(repr(held)) != Decimal(number):
            found.append(number)
        return held

    json.loads(text, parse_int=look, parse_float=look)
    return found[0] if found else None


def _suspect(text: bytes) -> bool:
    """Tell whether there may be such a number: with fewer digits and no exponent it fits, as in most documents.

    A regular expression takes ten times as long, and every UUID has a good chance of looking like 3e45 to it.
    """
    if _LONG in text.translate(_RUNS):
        return True
    shapes = b",%b," % text.translate(_SHAPES, DIGITS)
    return any(exponent in shapes for exponent in _EXPONENTS)
