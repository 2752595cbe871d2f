import json
import logging

import pytest

from broker.log import JsonFormatter, begin
from broker.messages import Action, Fetch
from broker.trail import MOST, Trail

ACTION = Action(1, "ada", "{}", "tab", 0, 7, "post", '{"secret": 1}')


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def logger() -> logging.Logger:
    logger = logging.getLogger("front.trail_of_a_test")
    logger.setLevel(logging.INFO)
    return logger


def test_what_is_worth_a_line(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """Refused and slow actions are; what clients wrote is in no line, and every line can be joined."""
    trail = Trail(logger, slow=1.0)
    trail.came([ACTION])
    trail.went(ACTION, "ok", None, 0.9)
    trail.went(ACTION, "ok", None, 1.0)
    trail.went(ACTION, "refused", "too_long", 0.01)
    told = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    assert [(line["status"], line.get("code"), line["milliseconds"]) for line in told] == [
        ("ok", None, 1000.0),
        ("refused", "too_long", 10.0),
    ]
    for line in told:
        assert (line["actor"], line["client"], line["lane"], line["number"]) == ("ada", "tab", 0, 7)
        assert line["message"].startswith("action post of ada, client tab, number 7: ")
        assert "secret" not in str(line)


def test_everything_when_asked(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """At debug level each action leaves a line as it comes and as it goes, however many there are."""
    logger.setLevel(logging.DEBUG)
    trail = Trail(logger, slow=1.0)
    for _ in range(2 * MOST):
        trail.came([Fetch("a{}"), ACTION])
        trail.went(ACTION, "ok", None, 0.0)
    assert len(caplog.records) == 4 * MOST
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


def test_refusals_do_not_fill_a_disk(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """However many are refused in a second, so many lines at most; the rest is told as a number."""
    clock = Clock()
    trail = Trail(logger, slow=1.0, clock=clock)
    for _ in range(1000):
        trail.went(ACTION, "refused", "too_long", 0.0)
    assert len(caplog.records) == MOST
    clock.now += 1
    trail.went(ACTION, "refused", "too_long", 0.0)
    assert caplog.records[MOST].getMessage() == f"{1000 - MOST} more actions were refused or slow"
    assert len(caplog.records) == MOST + 2


def test_only_our_own_tell_everything() -> None:
    """A level is that of fronts and multiplexers: libraries would drown them."""
    ours, libraries = logging.getLogger("multiplexer"), logging.getLogger("websockets")
    before = ours.level
    try:
        begin({"FLUXWIRE_LOG_LEVEL": "debug"})
        assert ours.isEnabledFor(logging.DEBUG)
        assert not libraries.isEnabledFor(logging.DEBUG)
    finally:
        ours.setLevel(before)
        for name in ("broker", "front"):
            logging.getLogger(name).setLevel(logging.NOTSET)
