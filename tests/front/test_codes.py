import re
from pathlib import Path

from front.codes import BUSY, TOO_MANY_SUBSCRIPTIONS, CloseCode

PROTOCOL = (Path(__file__).parent.parent.parent / "docs" / "protocol.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading."""
    table = PROTOCOL.split(heading, 1)[1].split("\n\n|", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_close_codes_are_documented() -> None:
    """Our own close codes are exactly those of the protocol's table."""
    documented = {int(code) for row in rows("### Close codes") for code in re.findall(r"\d+", row[0])}
    ours = {code for code in CloseCode if code >= 4000}
    assert ours == {code for code in documented if code >= 4000}
    assert set(CloseCode) <= documented


def test_ranges_tell_what_to_do() -> None:
    """What the table says a client does follows from the range of the code."""
    does = {int(code): row[2] for row in rows("### Close codes") for code in re.findall(r"4\d{3}", row[0])}
    for code, what in does.items():
        if code < 4100:
            assert what.startswith("stops")
        elif code < 4200 and code != CloseCode.NO_HELLO:
            assert what.startswith("signs in")
        else:
            assert what.startswith("comes back")


def test_error_codes_are_documented() -> None:
    """The error codes that a front makes by itself are in the protocol's table."""
    assert {BUSY.code, TOO_MANY_SUBSCRIPTIONS.code} <= {row[0].strip("`") for row in rows("## 6. Errors")}
