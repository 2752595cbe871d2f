"""docker/: what stands there names settings, metrics, files and roles that exist, and each other."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from broker.secret_files import with_secrets
from front.drain import DEFAULT_PACE
from multiplexer.settings import Settings
from tests.test_documented import settings_table
from tests.test_watched import metrics

DOCKER = Path(__file__).parent.parent / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
FRONTS = ("front-1", "front-2", "front-3")
MULTIPLEXERS = ("multiplexer-1", "multiplexer-2")
IMAGE = (*FRONTS, *MULTIPLEXERS, "deploy")


def test_the_dashboard_shows_what_there_is() -> None:
    """Every metric and label it asks for exists, and every metric of fronts and multiplexers is in it."""
    dashboard = json.loads((DOCKER / "grafana/dashboards/fluxwire.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    there = metrics()
    shown = set()
    for query in queries:
        used = re.findall(r"\b(?:fluxwire|process)_\w+", query)
        assert used, query
        assert set(used) <= set(there), query
        shown.update(used)
        labels = {label for one in used for label in there[one]} | {"instance", "job"}
        named = {label for by in re.findall(r"by \(([^)]*)\)", query) for label in re.split(r", ?", by)}
        assert named | set(re.findall(r"\{(\w+)=~", query)) <= labels, query
    parts = ("_bucket", "_sum", "_count")
    missing = {name for name in there if name not in shown and not name.endswith(parts)}
    assert missing == {
        "fluxwire_info",
        "fluxwire_multiplexer_info",
        "process_start_time_seconds",
    }
    histograms = {name.removesuffix("_bucket") for name in there if name.endswith("_bucket")}
    assert {name.removesuffix("_bucket") for name in shown if name.endswith("_bucket")} == histograms
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_its_labels_are_told() -> None:
    """A legend names labels that its query leaves over."""
    dashboard = json.loads((DOCKER / "grafana/dashboards/fluxwire.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            by = re.search(r"by \(([^)]*)\)", target["expr"])
            left = set(re.split(r", ?", by[1])) if by else {"instance", "job"}
            assert named <= left, target


def test_compose_tells_settings_that_there_are() -> None:
    """Each container is told what its role reads, secrets by file, and has the secrets that it names."""
    for name in IMAGE:
        service = SERVICES[name]
        role = {"front": "front", "multiplexer": "multiplexer", "fluxwire": "command line"}[service["command"][0]]
        for setting, value in service["environment"].items():
            readers = settings_table()[setting if setting in settings_table() else setting.removesuffix("_FILE")][0]
            assert role in readers.split(", "), f"{name}: {setting}"
            if str(value).startswith("/run/secrets/"):
                assert Path(value).name in service["secrets"]
                assert Path(value).name in COMPOSE["secrets"]
        assert not any("PASSWORD" in setting or setting.endswith("_URL") for setting in service["environment"])


def test_compose_guards_its_containers() -> None:
    """Ours are read-only and have no rights; all have limits, but for the deploy, which ends."""
    for name in IMAGE:
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
    for name, service in SERVICES.items():
        assert name == "deploy" or {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])
    for name in FRONTS:
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > DEFAULT_PACE.seconds + 10
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"haproxy", "grafana"}


def test_who_is_asked_is_there() -> None:
    """HAProxy's servers and Prometheus' targets are containers that answer there, over a network that both are in."""
    configuration = (DOCKER / "haproxy/haproxy.cfg").read_text(encoding="utf-8")
    servers = dict(re.findall(r"^  server (\S+) (\S+) cookie \1$", configuration, re.MULTILINE))
    assert servers == {name: f"{name}:8000" for name in FRONTS}
    scraped = yaml.safe_load((DOCKER / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    targets = {
        target for job in scraped["scrape_configs"] for config in job["static_configs"] for target in config["targets"]
    }
    assert targets == {
        *servers.values(),
        *(f"{name}:{SERVICES[name]['environment']['FLUXWIRE_STATUS_PORT']}" for name in MULTIPLEXERS),
        f"haproxy{SERVICES['haproxy']['environment']['FLUXWIRE_HAPROXY_STATS']}",
    }
    for asking, asked in [("haproxy", FRONTS), ("prometheus", [target.partition(":")[0] for target in targets])]:
        for name in asked:
            assert set(SERVICES[asking]["networks"]) & set(SERVICES[name]["networks"]), f"{asking} and {name}"
    # What fronts believe of addresses comes from a network that HAProxy alone shares with them.
    subnet = COMPOSE["networks"]["clients"]["ipam"]["config"][0]["subnet"]
    assert {SERVICES[name]["environment"]["FLUXWIRE_TRUSTED_PROXIES"] for name in FRONTS} == {subnet}
    in_it = {name for name, service in SERVICES.items() if "clients" in service["networks"]}
    assert in_it == {*FRONTS, "haproxy"}
    assert set(SERVICES["haproxy"]["networks"]) & set(SERVICES["front-1"]["networks"]) == {"clients"}


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """The script makes every secret that compose names, such as settings want them, and never twice."""
    shutil.copy(DOCKER / "secrets.sh", tmp_path)
    for _ in range(2):
        subprocess.run(["sh", str(tmp_path / "secrets.sh")], check=True)
        made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    first = made
    subprocess.run(["sh", str(tmp_path / "secrets.sh")], check=True)
    assert {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()} == first
    assert set(made) == {os.path.basename(secret["file"]) for secret in COMPOSE["secrets"].values()}  # noqa: PTH119 - of a text
    assert len(made["key"]) >= 32
    environment, faults = with_secrets(
        {
            "DATABASE_URL_FILE": str(tmp_path / "secrets/multiplexer_url"),
            "REDIS_URL_FILE": str(tmp_path / "secrets/redis_url"),
        }
    )
    assert faults == []
    settings = Settings.from_environment(environment)
    assert made["multiplexer_password"] in settings.database_url
    assert made["redis_password"] in settings.redis_url
    assert len({made[name] for name in made if "password" in name}) == 4


def test_the_image_has_what_it_copies() -> None:
    """What the Dockerfile copies is there, and let through by .dockerignore."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE)
    assert {"broker", "front", "multiplexer", "fluxwire", "sql", "docker/requirements.lock"} == set(copied)
    let_through = (DOCKER.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name}" for name in copied} <= set(let_through)
    assert all((DOCKER.parent / name).exists() for name in copied)
    assert re.search(r"^USER 10001$", text, re.MULTILINE)


def test_the_chart_names_what_there_is() -> None:
    """Its settings exist, for the role that is told them; what fronts are scaled by is made of real metrics."""
    for file, role in [("fronts", "front"), ("multiplexers", "multiplexer"), ("deploy", "command line")]:
        text = (DOCKER / f"helm/fluxwire/templates/{file}.yaml").read_text(encoding="utf-8")
        told = re.findall(r"\{name: ([A-Z_]+), value", text)
        assert told
        for setting in told:
            name = setting if setting in settings_table() else setting.removesuffix("_FILE")
            assert role in settings_table()[name][0].split(", "), setting
    adapter = yaml.safe_load((DOCKER / "helm/prometheus-adapter.yaml").read_text(encoding="utf-8"))
    made = {}
    for rule in adapter["rules"]["custom"]:
        series = rule["seriesQuery"].partition("{")[0]
        assert series in metrics()
        made[rule["name"]["as"]] = series
    fronts = (DOCKER / "helm/fluxwire/templates/fronts.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"metric: \{name: (\w+)\}", fronts)) == set(made)
