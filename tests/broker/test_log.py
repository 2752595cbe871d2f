import json
import logging
import sys

from broker.log import JsonFormatter


def test_one_object_a_line() -> None:
    """Whatever is logged is one line of JSON, traceback and all."""
    try:
        int("two\nlines")
    except ValueError:
        record = logging.LogRecord("front", logging.WARNING, __file__, 1, 'it is "%s"\n', ("é",), sys.exc_info())
    (line,) = JsonFormatter().format(record).splitlines()
    told = json.loads(line)
    assert {name: told[name] for name in ("level", "logger", "message")} == {
        "level": "warning",
        "logger": "front",
        "message": 'it is "é"\n',
    }
    assert told["time"].endswith("+00:00")
    assert "ValueError: invalid literal" in told["exception"]
