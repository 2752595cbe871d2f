import dataclasses
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from fluxwire.__main__ import main
from fluxwire.plan import units
from fluxwire.plan.command import EXAMPLES
from fluxwire.plan.costs import most_actions
from fluxwire.plan.sheet import Sheet, sheet
from fluxwire.plan.workload import BadWorkload, Workload
from fluxwire.stack.folder import CHECKOUT
from front.settings import read_settings

UNITS = units.read()
SMALL = Workload(users=50_000, rooms=250, members=200, rate=0.5)


def made(**changes: float | None) -> Sheet:
    return sheet(dataclasses.replace(SMALL, **changes), UNITS)  # type: ignore[arg-type]


def part(of: Sheet, name: str) -> float:
    (found,) = (one.cores for one in of.parts if one.name == name)
    return found


def test_a_small_chat_is_one_fluxwire() -> None:
    """Nothing is said against it, no process is busier than it may be, and what is said adds up."""
    found = made(tick=0.04)
    assert found.stacks == 1
    assert all(one.busy <= 0.7 for one in found.parts if one.name in {"front", "multiplexer", "Redis"})
    assert found.flows.actions == 125
    fronts = next(one for one in found.parts if one.name == "front")
    assert fronts.processes * fronts.files >= SMALL.users
    assert found.flows.writes * found.flows.joined * fronts.processes == pytest.approx(SMALL.deliveries, rel=0.02)


def test_what_the_article_asks_for_is_more_than_one_postgres_takes() -> None:
    """That is said, and rooms are shared out until each part is carried; traffic does not become less by that."""
    found = sheet(EXAMPLES["article"], UNITS)
    assert found.verdicts[0].startswith("One Postgres cannot take 10,000 actions a second")
    most = most_actions(100, UNITS)
    assert found.stacks >= 10_000 / most
    assert found.flows.actions < most
    assert found.workload.deliveries == 100_000_000
    assert found.limits == sorted(found.limits, key=lambda limit: limit.at)


def test_streams_five_million_are_a_matter_of_fronts() -> None:
    """Three messages a second: the database has hardly anything to do, and every write has one message."""
    found = sheet(EXAMPLES["stream"], UNITS)
    assert found.stacks == 1
    assert found.workload.deliveries == 15_000_000
    assert part(found, "Postgres") < 0.2
    assert part(found, "front") > 10
    assert found.limits[0].part == "fronts"
    assert found.flows.joined == pytest.approx(1, rel=0.05)


def test_a_tick_saves_writes_and_never_messages() -> None:
    """The longer, the fewer writes with more in each, and the fewer cores."""
    ticks = made(rate=20).ticks
    for shorter, longer in pairwise(ticks):
        assert longer.writes <= shorter.writes * 1.01
        assert longer.cores <= shorter.cores * 1.01
        assert longer.joined >= shorter.joined * 0.99
    assert ticks[-1].joined > 3 * ticks[0].joined


@pytest.mark.parametrize(
    ("name", "more"), [("rate", 1.0), ("length", 1000), ("users", 60_000), ("rooms", 500), ("private", 10)]
)
def test_more_never_takes_less(name: str, more: float) -> None:
    """Of nothing that is asked for."""
    least, most = made(), made(**{name: more})
    assert sum(one.cores for one in most.parts) >= sum(one.cores for one in least.parts) * 0.99
    assert sum(one.memory for one in most.parts) >= sum(one.memory for one in least.parts)


def test_a_room_that_is_too_busy_is_not_carried() -> None:
    """One room cannot be shared out, and that is not hidden."""
    found = sheet(Workload(users=100, rooms=1, members=100, rate=50_000), UNITS)
    assert found.stacks == 1
    assert any("cannot be shared out" in verdict for verdict in found.verdicts)


def test_private_stores_make_a_storm() -> None:
    """Each has to be rendered again, by one database."""
    assert made().storm.renders == 0
    found = made(private=5, storm=1)
    assert found.storm.renders == 250_000
    assert any("coming back takes" in verdict for verdict in found.verdicts)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"users": 0}, "users must be 1 or more, not 0"),
        ({"members": 60_000}, "a room of 60,000 members takes as many users; there are 50,000"),
        ({"tick": 2.0}, "tick must be from 0 to 1000 ms, not 2000"),
        ({"rate": float("nan")}, "rate must be 0 or more, not nan"),
        ({"busy": 0.0}, "busy must be more than 0"),
        ({"fronts": 0}, "fronts must be 1 or more"),
        ({"storm": 0.0}, "storm must be more than 0"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, float], fault: str) -> None:
    """Whatever is wrong is named, with what was given."""
    with pytest.raises(BadWorkload, match=fault):
        dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]


def test_without_messages_there_is_still_a_sheet() -> None:
    """Whoever only looks costs memory, and heartbeats."""
    found = made(rate=0.0)
    assert found.flows.writes == 0
    assert found.network == 0
    assert part(found, "front") > SMALL.users * UNITS.front.client


def test_the_usual_tick_is_that_of_fronts(tmp_path: Path) -> None:
    """A sheet is about fronts that are told nothing else."""
    key = tmp_path / "key"
    key.write_text(32 * "k")
    assert read_settings({"REDIS_URL": "redis://h", "FLUXWIRE_KEY_FILE": str(key)}).tick == SMALL.tick


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A table for people, JSON for programs, and clear words for nonsense."""
    asked = ["plan", "--users", "50000", "--rooms", "250", "--rate", "0.5", "--tick", "40"]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert said.startswith("50,000 users, 250 rooms of 200, 0.5 messages/s in each\ntick 40 ms")
    assert "Full at" in said
    assert main([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["workload"]["tick"] == 0.04
    assert main(["plan", "--example", "article", "--users", "50"]) == 1
    assert "a room of 10,000 members takes as many users" in capsys.readouterr().err
    assert main(["plan", "--users", "5"]) == 1
    assert "--rooms and --rate must be told" in capsys.readouterr().err
    (tmp_path / "units.json").write_text("{}")
    assert main([*asked, "--units", str(tmp_path / "units.json")]) == 1
    assert "does not hold unit costs" in capsys.readouterr().err


def test_the_page_says_what_the_command_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Each sheet of docs/million-users.md, as it is computed now."""
    page = (CHECKOUT / "docs" / "million-users.md").read_text(encoding="utf-8")
    found = re.findall(r"^```console\n\$ fluxwire (plan [^\n]*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(found) >= 3
    for words, said in found:
        assert main(words.split()) == 0
        assert capsys.readouterr().out == said, f"fluxwire {words}: python3 run.py bench --document writes it anew"
