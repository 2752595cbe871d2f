"""The chat in a real Chromium, on a stack as a user starts it."""

import pytest

from tests.integration.test_run import Up

from .conftest import Answers
from .stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.timeout(200)]


def test_two_people_chat(stage: Stage, stack: Up, answers: Answers) -> None:
    """Two browsers see each other's messages at once, through renames, a reload and the death of all servers."""
    stage.play("chat", stack.lines[-1], answers=answers)


def test_looks(stage: Stage, stack: Up, answers: Answers) -> None:
    """Axe finds nothing, in light, dark and on a telephone; keys alone will do; what is new is marked."""
    stage.play("looks", stack.lines[-1], answers=answers)


def test_somebody_types_through_everything(stage: Stage, stack: Up, answers: Answers) -> None:
    """While one types, fronts are killed, the network is cut and the tab reloaded: all once, in order, everywhere."""
    stage.play("session", stack.lines[-1], answers=answers)


def test_everything_against_the_client(stage: Stage, stack: Up, answers: Answers) -> None:
    """WebSocket blocked, tabs closed, fronts killed, storage broken: every message once and in order."""
    stage.play("network", stack.lines[-1], stack.bearer("ada"), stack.bearer("bob"), answers=answers)
