"""What fits into a double, and what does not."""

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiplexer.numbers import unfit


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 9007199254740991}', None),
        ('{"a": 9007199254740993}', "9007199254740993"),
        ('{"a": -9007199254740993}', "-9007199254740993"),
        ('{"a": 9007199254740992}', None),
        ('{"a": "9007199254740993"}', None),
        ('{"a": [0.1, 1.50, 1.5000000000000000000000000]}', None),
        ('{"a": [0.12345678901234567890]}', "0.12345678901234567890"),
        ('{"a": 1e400}', "1e400"),
        ('{"a":[-1e-400,7]}', "-1e-400"),
        ("1.5E+400", "1.5E+400"),
        ('{"a": "00f3e400-5e99-4e99-8e99-00f3e4001e99"}', None),
        ('{"a": 100000000000000000000}', None),
        ('{"a": 123456789012345678901}', "123456789012345678901"),
    ],
)
def test_examples(text: str, found: str | None) -> None:
    """A number is unfit if no double equals it, however it is written; digits in strings are no numbers."""
    assert unfit(text.encode()) == found


@given(st.recursive(st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_doubles_fit(document: object) -> None:
    """Whatever is made of doubles fits."""
    assert unfit(orjson.dumps(document)) is None


@given(st.decimals(allow_nan=False, allow_infinity=False).filter(lambda number: abs(number.adjusted()) < 400))
def test_decimals(number: Decimal) -> None:
    """A decimal fits exactly if reading it as a double and writing it again gives its value."""
    text = f"{number:f}"
    fits = Decimal(repr(float(text))) == number if abs(number) < Decimal("1.7e308") else False
    assert (unfit(json.dumps({"x": None})[:-5].encode() + text.encode() + b"}") is None) == fits
