"""docs/operations.md, "From nothing to three fronts with TLS": done word by word, with processes on this machine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fluxwire.stack.ports import free_port
from tests.deployment import ROOT
from tests.services import Cluster, missing, scratch_folder
from tests.test_documented import section

TITLE = "From nothing to three fronts with TLS"
PORTS = ("8001", "8002", "8003", "8443", "9101", "9102")
PROGRAMS = ("bash", "curl", "openssl", "haproxy")


@pytest.mark.timeout(120)
def test_the_way_from_nothing(postgres18: Cluster, valkey: str, namespace: str) -> None:
    """Whoever copies the page has a stack behind TLS that serves while a front is restarted."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
    for program in PROGRAMS:
        if shutil.which(program, path=path) is None:
            missing(f"There is no {program}.")
    text = section("docs/operations.md", TITLE)
    for port in PORTS:
        text = text.replace(port, str(free_port()))
    servers, *blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (answer,) = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    with scratch_folder() as folder, postgres18.database(deployed=False) as owner:
        for name in ("docker", "examples"):
            (folder / name).symlink_to(ROOT / name)
        # What an installation puts there.
        (folder / "bin").mkdir()
        (folder / "bin" / "fluxwire").write_text(f'#!/bin/sh\nexec {sys.executable} -m fluxwire "$@"\n')
        (folder / "bin" / "fluxwire").chmod(0o755)
        multiplexer = owner.replace("//fluxwire@", "//fluxwire_multiplexer@")
        # Test servers write nothing to disk, which the doctor does not like.
        judged = [block.replace("fluxwire doctor", "fluxwire doctor > doctor.log || true") for block in blocks]
        assert judged != blocks
        script = "\n".join(
            [
                "set -eu",
                "trap 'kill $(jobs -p); wait' EXIT",
                *(
                    f"export {name}='{value}'"
                    for name, value in zip(names(servers), (owner, multiplexer, valkey), strict=True)
                ),
                *judged,
                "cat kitchen.json",
            ]
        )
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(folder / "bin"), path]),
            "PYTHONPATH": str(ROOT),
            "FLUXWIRE_NAMESPACE": namespace,
        }
        done = subprocess.run(
            ["bash", "-c", script],
            check=False,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
        )
        logs = "".join(f"\n{log.name}:\n{log.read_text()}" for log in folder.glob("*.log"))
        assert done.returncode == 0, done.stderr + logs
        assert answer.strip() in done.stdout
        assert '"kitchen"' in done.stdout.partition(answer.strip())[2]
        faults = re.findall(r"^FAULT +(.*)$", (folder / "doctor.log").read_text(), re.MULTILINE)
        assert faults == ["A crash of Postgres loses what it acknowledged."]


def names(exports: str) -> list[str]:
    """The variables of the block that tells where the servers are."""
    return re.findall(r"^export (\w+)=", exports, re.MULTILINE)
