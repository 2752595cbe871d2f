"""What all tests share."""

import logging
from collections.abc import Generator

import pytest

pytest.register_assert_rewrite("broker.conformance")
pytest_plugins = ["tests.services", "tests.browser.stage", "pytester"]


class LoopErrors(logging.Handler):
    """Keeps what asyncio could tell nobody: its exception handler's last resort is its logger."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(logging.Formatter().format(record))


LOOP_ERRORS = LoopErrors()


def pytest_configure() -> None:
    logging.getLogger("asyncio").addHandler(LOOP_ERRORS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    """Fail a test in whose loop an exception went unhandled, also while its loop was being closed."""
    yield
    seen, LOOP_ERRORS.seen = LOOP_ERRORS.seen, []
    if seen:
        pytest.fail("An exception in the event loop was handled by nobody:\n" + "\n".join(seen), pytrace=False)
