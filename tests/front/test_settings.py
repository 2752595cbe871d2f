from ipaddress import ip_network
from pathlib import Path

import pytest

from front.drain import Pace
from front.limits import Limits
from front.settings import BadSettings, Settings, read_settings


def test_defaults(tmp_path: Path) -> None:
    """Two settings are enough."""
    (tmp_path / "key").write_text("k" * 32 + "\n")
    settings = read_settings({"REDIS_URL": "redis://localhost", "FLUXWIRE_KEY_FILE": str(tmp_path / "key")})
    assert settings == Settings(redis_url="redis://localhost", key=b"k" * 32)


def test_everything_set(tmp_path: Path) -> None:
    """Every variable has its place."""
    pytest.importorskip("cryptography")
    (tmp_path / "key").write_text("k" * 40)
    settings = read_settings(
        {
            "REDIS_URL": "unix:///tmp/valkey.sock",
            "FLUXWIRE_KEY_FILE": str(tmp_path / "key"),
            "FLUXWIRE_NAMESPACE": "blue",
            "FLUXWIRE_HOST": "::1",
            "FLUXWIRE_PORT": "0",
            "FLUXWIRE_SHARED_PORT": "1",
            "FLUXWIRE_WEB": str(tmp_path),
            "FLUXWIRE_DRAIN_RATE": "50",
            "FLUXWIRE_DRAIN_SECONDS": "2.5",
            "FLUXWIRE_NOTICE_SECONDS": "7",
            "FLUXWIRE_BUS_PARCELS": "99",
            "FLUXWIRE_TICK_MS": "40",
            "FLUXWIRE_METRICS": "1",
            "FLUXWIRE_GUESTS": "1",
            "FLUXWIRE_JWKS_URL": "https://login.example.com/keys",
            "FLUXWIRE_AUDIENCE": "shop",
            "FLUXWIRE_ISSUER": "https://login.example.com/",
            "FLUXWIRE_ORIGINS": "https://app.example.com, http://localhost:5173",
            "FLUXWIRE_COOKIE": "__Host-session",
            "FLUXWIRE_TRUSTED_PROXIES": "10.0.0.0/8 fd00::1",
            "FLUXWIRE_ADDRESS_CONNECTIONS": "1",
            "FLUXWIRE_ADDRESS_RATE": "2",
            "FLUXWIRE_ACTOR_CONNECTIONS": "3",
            "FLUXWIRE_ACTOR_ACTIONS": "4",
            "FLUXWIRE_ACTOR_OPENINGS": "6",
            "FLUXWIRE_FRAMES": "5",
            "FLUXWIRE_SUBSCRIPTIONS": "0",
        }
    )
    assert settings == Settings(
        "unix:///tmp/valkey.sock",
        b"k" * 40,
        "blue",
        "::1",
        0,
        tmp_path,
        Pace(50.0, 2.5, 7.0),
        tick=0.04,
        most_parcels=99,
        guests=True,
        origins=("https://app.example.com", "http://localhost:5173"),
        cookie="__Host-session",
        proxies=(ip_network("10.0.0.0/8"), ip_network("fd00::1")),
        limits=Limits(1, 2, 3, 4, 6, 5, 0),
        jwks_url="https://login.example.com/keys",
        audience="shop",
        issuer="https://login.example.com/",
        metrics=True,
        shared=True,
    )


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    """Whoever sets up a front hears of every fault in one go."""
    (tmp_path / "key").write_text("short")
    with pytest.raises(BadSettings) as caught:
        read_settings(
            {
                "REDIS_URL": "http://localhost",
                "FLUXWIRE_KEY_FILE": str(tmp_path / "key"),
                "FLUXWIRE_PORT": "65536",
                "FLUXWIRE_BUS_PARCELS": "0",
                "FLUXWIRE_WEB": str(tmp_path / "none"),
                "FLUXWIRE_GUESTS": "yes",
                "FLUXWIRE_DRAIN_RATE": "0",
                "FLUXWIRE_DRAIN_SECONDS": "nan",
                "FLUXWIRE_ORIGINS": "* app.example.com",
                "FLUXWIRE_COOKIE": "a=b",
                "FLUXWIRE_TRUSTED_PROXIES": "10.0.0.1/8",
                "FLUXWIRE_FRAMES": "many",
            }
        )
    named = [line.split()[0] for line in str(caught.value).splitlines()]
    assert named == [
        "REDIS_URL",
        "FLUXWIRE_KEY_FILE",
        "FLUXWIRE_PORT",
        "FLUXWIRE_BUS_PARCELS",
        "FLUXWIRE_WEB",
        "FLUXWIRE_GUESTS",
        "FLUXWIRE_DRAIN_RATE",
        "FLUXWIRE_DRAIN_SECONDS",
        "FLUXWIRE_ORIGINS",
        "FLUXWIRE_COOKIE",
        "FLUXWIRE_COOKIE",
        "FLUXWIRE_TRUSTED_PROXIES",
        "FLUXWIRE_FRAMES",
    ]


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    """A key file that cannot be read is a fault with a reason, not a traceback."""
    with pytest.raises(BadSettings, match="No such file"):
        read_settings({"REDIS_URL": "redis://h", "FLUXWIRE_KEY_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize("url", ["https://login.example.com/keys", "http://127.0.0.1:9/keys", "http://localhost/k"])
def test_an_issuer_is_enough(url: str) -> None:
    """Whoever has an issuer needs no secret."""
    pytest.importorskip("cryptography")
    settings = read_settings({"REDIS_URL": "redis://h", "FLUXWIRE_JWKS_URL": url})
    assert (settings.key, settings.jwks_url) == (None, url)


@pytest.mark.parametrize(
    "url", ["http://login.example.com/keys", "ftp://h/keys", "https://", "http://127.0.0.1.evil/k"]
)
def test_keys_from_anywhere(url: str) -> None:
    """Keys that anybody on the way could exchange are none."""
    with pytest.raises(BadSettings, match="FLUXWIRE_JWKS_URL must be"):
        read_settings({"REDIS_URL": "redis://h", "FLUXWIRE_JWKS_URL": url})


def test_guests_of_an_issuer() -> None:
    """Guests' tokens are signed by the front."""
    with pytest.raises(BadSettings, match="FLUXWIRE_GUESTS needs"):
        read_settings({"REDIS_URL": "redis://h", "FLUXWIRE_JWKS_URL": "https://h/k", "FLUXWIRE_GUESTS": "1"})


def test_an_issuer_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named, and not found out by the first token."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BadSettings, match=r"fluxwire\[jwks\]"):
        read_settings({"REDIS_URL": "redis://h", "FLUXWIRE_JWKS_URL": "https://h/k"})
