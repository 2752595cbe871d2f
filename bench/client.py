"""``bench client``: what the TypeScript client costs a page.

A patch of one message is applied to a room of 10,000, beside fast-json-patch, which copies the room first in order to
leave the document before as it was, and beside immer. In Chromium, if there is one, such a room is a virtualised list:
one update to the rows that are rendered for it, frames a second while 1,000 updates a second come, and a room of before
on its way from the device to the screen. Sizes are of the entries with all they export.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from fluxwire.stack import node, web

from .figures import Figure, alone, compared
from .harness import Options
from .processes import SERVER_CORE

CHECKOUT = Path(__file__).parent.parent
SCRIPT = Path(__file__).parent / "peers" / "client.mjs"
PAGE = Path(__file__).parent / "peers" / "page.mjs"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ROUNDS, QUICK_ROUNDS = 7, 1
LIMIT_SECONDS = 300
PAGE_ROUNDS, PAGE_SECONDS, QUICK_SECONDS = 3, 5, 1
IN_NODE = (
    "client.apply_ms",
    "client.list_ms",
    "client.apply.vs_fast_json_patch",
    "client.apply.vs_immer",
    "client.core_kb",
    "client.react_kb",
)
IN_PAGE = ("client.row_ms", "client.rows", "client.frames_per_s", "client.cached_ms")


def run(options: Options) -> Iterator[Figure]:
    """Measure."""
    if not options.wants(*IN_NODE, *IN_PAGE):
        return
    found = node.on_path() or node.from_wheel(CHECKOUT)
    if not web.is_built(CHECKOUT):
        web.build(CHECKOUT, found)
    program = shutil.which("node", path=found.path) or "node"
    if options.wants(*IN_NODE):
        yield from (figure for figure in _in_node(program, options) if options.wants(figure.name))
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        options.say("no Chromium: what a page does is not measured")
    elif options.wants(*IN_PAGE):
        yield from (figure for figure in _in_page(program, chromium, options) if options.wants(figure.name))


def _in_node(program: str, options: Options) -> Iterator[Figure]:
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    *applied, sizes = _lines("taskset", "-c", SERVER_CORE, program, SCRIPT, rounds)
    ours = [each["apply"] for each in applied]
    peers, immers = [each["peer"] for each in applied], [each["immer"] for each in applied]
    yield alone("client.apply_ms", ours, "ms", "<= 0.05")
    yield alone("client.list_ms", [each["list"] for each in applied], "ms", "<= 0.5")
    yield compared("client.apply.vs_fast_json_patch", ours, "ms", peer="fast-json-patch", peers=peers, target="<= 0.5")
    yield compared("client.apply.vs_immer", ours, "ms", peer="immer", peers=immers, target="<= 0.5")
    yield alone("client.core_kb", [sizes["core"]], "kB", "<= 8")
    yield alone("client.react_kb", [sizes["react"]], "kB", "<= 2")


def _in_page(program: str, chromium: str, options: Options) -> Iterator[Figure]:
    rounds = QUICK_ROUNDS if options.quick else PAGE_ROUNDS
    seconds = options.seconds or (QUICK_SECONDS if options.quick else PAGE_SECONDS)
    # Chromium is many processes: they go where the kernel puts them.
    found = _lines(program, PAGE, chromium, rounds, seconds)
    yield alone("client.row_ms", [each["row"] for each in found], "ms", "<= 5")
    yield alone("client.rows", [each["rows"] for each in found], "rows", "<= 1")
    yield alone("client.frames_per_s", [each["frames"] for each in found], "1/s", ">= 50")
    yield alone("client.cached_ms", [each["cached"] for each in found], "ms", "<= 100")


def _lines(*command: object) -> list[dict[str, float]]:
    done = subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS)
    return [json.loads(line) for line in done.stdout.splitlines()]
