"""``bench client``: what the TypeScript client costs a page.

A patch of one message is applied to a room of 10,000, beside fast-json-patch, which copies the room first in order to
leave the document before as it was. Sizes are of the entries with all they export.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from fluxwire.stack import node, web

from .harness import Figure, Options, alone, compared

CHECKOUT = Path(__file__).parent.parent
SCRIPT = Path(__file__).parent / "peers" / "client.mjs"
ROUNDS, QUICK_ROUNDS = 7, 1


def run(options: Options) -> Iterator[Figure]:
    """Measure."""
    if not options.wants("client.apply_ms", "client.apply.vs_fast_json_patch", "client.core_kb", "client.react_kb"):
        return
    found = node.on_path() or node.from_wheel(CHECKOUT)
    if not web.is_built(CHECKOUT):
        web.build(CHECKOUT, found)
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    program = shutil.which("node", path=found.path) or "node"
    done = subprocess.run([program, SCRIPT, str(rounds)], check=True, stdout=subprocess.PIPE, text=True)
    *applied, sizes = [json.loads(line) for line in done.stdout.splitlines()]
    ours, peers = [each["apply"] for each in applied], [each["peer"] for each in applied]
    figures = [
        alone("client.apply_ms", ours, "ms", "<= 0.05"),
        compared("client.apply.vs_fast_json_patch", ours, "ms", peer="fast-json-patch", peers=peers, target="<= 0.5"),
        alone("client.core_kb", [sizes["core"]], "kB", "<= 8"),
        alone("client.react_kb", [sizes["react"]], "kB", "<= 2"),
    ]
    yield from (figure for figure in figures if options.wants(figure.name))
