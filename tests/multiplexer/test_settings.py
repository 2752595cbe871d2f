from pathlib import Path

import pytest

from multiplexer.errors import SettingsError
from multiplexer.settings import Settings


def test_from_the_environment(tmp_path: Path) -> None:
    """Two addresses are enough, and each may stand in a file."""
    (tmp_path / "database").write_text("postgresql://fluxwire_multiplexer:secret@db/app\n")
    settings = Settings.from_environment(
        {"DATABASE_URL_FILE": str(tmp_path / "database"), "REDIS_URL": "redis://h", "FLUXWIRE_NAMESPACE": ""}
    )
    assert settings.database_url == "postgresql://fluxwire_multiplexer:secret@db/app"
    assert (settings.redis_url, settings.namespace) == ("redis://h", "fluxwire")


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, ["DATABASE_URL is not set", "REDIS_URL is not set"]),
        (
            {"DATABASE_URL": "mysql://h/app", "REDIS_URL": "http://h"},
            ["DATABASE_URL is no DSN: it begins with postgresql://", "REDIS_URL is no address of a Redis: "],
        ),
        ({"DATABASE_URL_FILE": "/none", "REDIS_URL": "redis://h"}, ["DATABASE_URL_FILE /none cannot be read: "]),
    ],
)
def test_all_faults_are_named_at_once(environment: dict[str, str], named: list[str]) -> None:
    """Whoever sets up a multiplexer hears of every fault in one go."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(name) for line, name in zip(lines, named, strict=False))
    assert len(lines) >= len(named)
