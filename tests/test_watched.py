"""docs/metrics.md, the alerts and the metrics that there are: each names what the others have."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.messages import Error, Outcome
from front import metrics as front
from multiplexer import metrics as multiplexer
from tests.broker.test_metrics import read

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
HEADINGS = ("### Of a front", "### Of a multiplexer")
RULES = yaml.safe_load((ROOT / "docker/prometheus/rules.yaml").read_text(encoding="utf-8"))


def pages() -> tuple[str, str]:
    """What a front and a multiplexer tell that have counted something of everything."""
    counted = front.Metrics()
    counted.answered("refused", "too_long", 0.1)
    nothing = front.Standing(clients=0, subscriptions=0, stores=0, blocked=0, queued=0, under_way=0)
    mine = multiplexer.Metrics()
    mine.answered([Outcome(1, 0, 1, "refused", None, Error("too_long", ""), {})])
    for counter in (mine.lead_ends, mine.batches, mine.questions, mine.renders):
        counter["some"] += 1
    return (
        front.exposition(counted, nothing, front.Front("f", ready=True, intake=1.0), closed={4001: 1}),
        multiplexer.exposition(mine, multiplexer.Queues(0, 0, 0), name="m"),
    )


def metrics() -> dict[str, set[str]]:
    """The labels of every metric, by its whole name; those of a histogram by their parts' names."""
    found: dict[str, set[str]] = {}
    for sample in read("".join(pages())):
        name, _, labels = sample.partition("{")
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


@pytest.mark.parametrize(("heading", "told"), list(zip(HEADINGS, pages(), strict=True)), ids=HEADINGS)
def test_every_metric_is_documented(heading: str, told: str) -> None:
    """The page has exactly the metrics that there are, with their labels and kinds."""
    section = PAGE.partition(heading + "\n")[2].partition("\n#")[0]
    documented = {}
    for cell, kind in re.findall(r"^\| (`[^|]*) \| (\w+) \|", section, re.MULTILINE):
        for name, labels in re.findall(r"`([a-z_]+)(?:\{([a-z_,]+)\})?`", cell):
            documented[name] = (kind, frozenset(filter(None, labels.split(","))))
    kinds = dict(re.findall(r"# TYPE fluxwire_(\w+) (\w+)", told))
    labels = metrics()
    assert documented == {
        name: (kind, frozenset(labels.get(f"fluxwire_{name}", set()))) for name, kind in kinds.items()
    }


def test_the_processes_own_are_documented() -> None:
    named = set(re.findall(r"`(process_\w+)`", PAGE.partition("### Of both\n")[2].partition("\n#")[0]))
    assert named == {name for name in metrics() if name.startswith("process_")}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert(rule: dict[str, Any]) -> None:
    """It is made of metrics and labels that there are, says how grave it is, and the page says what to do."""
    there = metrics()
    used = re.findall(r"\b((?:fluxwire|process)_\w+)(?:\{(\w+)[=!~]+\"[^\"]*\"\})?", rule["expr"])
    assert used
    for name, label in used:
        assert name in there
        # `job` and `instance` come from Prometheus.
        assert label in {"", "job", *there[name]}
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        assert label in {"instance"} | {one for name, _ in used for one in there[name]}
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert re.search(rf"^\| `{rule['alert']}` \| .+ \|$", PAGE, re.MULTILINE)


def test_every_alert_of_the_page_exists() -> None:
    assert re.findall(r"^\| `(Fluxwire\w+)` \|", PAGE, re.MULTILINE) == [rule["alert"] for rule in rules()]
