"""What a running stack tells about itself, for the other commands and for the run after a crash."""

import json
from dataclasses import asdict, dataclass, field

from fluxwire.stack import process
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import Folder

# Postgres writes a last checkpoint when it is stopped.
ORPHAN_GRACE = 10.0


@dataclass(slots=True, kw_only=True)
class State:
    """The content of stack.json.

    Args:
        database_url: DSN of the database.
        multiplexer_url: The same for multiplexers, who may do less there.
        redis_url: Address of the Redis server.
        port: Where the fronts listen.
        key_file: The secret that signs tokens.
        application: Folder of the application's SQL and web client.
        supervisor: Process number of the supervisor.
        pids: Process numbers of its children by name.
        births: When those processes and the supervisor were born, in the words of `process.birth`.

    """

    database_url: str
    multiplexer_url: str
    redis_url: str
    port: int
    key_file: str
    application: str | None
    supervisor: int
    pids: dict[str, int] = field(default_factory=dict)
    births: dict[str, str | None] = field(default_factory=dict)

    def write(self, folder: Folder) -> None:
        """Replace the file, so that a reader sees the old one or the new one."""
        draft = folder.state.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.chmod(0o600)  # a DSN may hold a password
        draft.replace(folder.state)


def running(folder: Folder) -> State:
    """Read the state of a running stack.

    Raises:
        StackError: None runs on this folder.

    """
    state = _last(folder)
    if state is None or process.birth(state.supervisor) != state.births.get("supervisor"):
        raise StackError(f"No stack is running on {folder.path}.", "Start one with: python3 run.py")
    return state


def end_orphans(folder: Folder) -> list[str]:
    """End what the last run left behind, having been killed.

    Returns:
        The names of the processes that were still there.

    """
    state = _last(folder)
    if state is None:
        return []
    # The servers were started first and go last.
    names = [
        name
        for name, pid in reversed(state.pids.items())
        if process.end_orphan(pid, state.births.get(name), ORPHAN_GRACE)
    ]
    folder.state.unlink()
    return names


def _last(folder: Folder) -> State | None:
    try:
        return State(**json.loads(folder.state.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):  # another version of Fluxwire wrote it
        return None
