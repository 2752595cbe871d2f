"""run.py, the part that runs before there is an environment."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

RUN = Path(__file__).parents[2] / "run.py"


@pytest.fixture
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run", RUN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_old_pythons_can_read_it() -> None:
    """The syntax is Python 3.8's, so that such a one can say what is missing."""
    ast.parse(RUN.read_text(), feature_version=(3, 8))


def test_environment_is_current_only_for_its_lock_and_place(
    run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another lock file or another folder makes the environment stale; so does one without a Python."""
    lock, stamp = tmp_path / "lock", tmp_path / "stamp"
    monkeypatch.setattr(run, "LOCK", lock)
    monkeypatch.setattr(run, "STAMP", stamp)
    monkeypatch.setattr(run, "PYTHON", Path(sys.executable))
    lock.write_text("one")
    assert not run.is_current(run.fingerprint())
    stamp.write_text(run.fingerprint())
    assert run.is_current(run.fingerprint())
    lock.write_text("two")
    assert not run.is_current(run.fingerprint())
    lock.write_text("one")
    with monkeypatch.context() as moved:
        moved.setattr(run, "CHECKOUT", tmp_path)
        assert not run.is_current(run.fingerprint())
    monkeypatch.setattr(run, "PYTHON", tmp_path / "gone")
    assert not run.is_current(run.fingerprint())


def test_too_old_a_python_names_the_one_needed(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a newer Python on PATH, the version needed is said."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer"):
        run.become_newer_python()


def test_failing_command_shows_what_it_said(run: ModuleType) -> None:
    """When pip fails, its words are shown, and the command."""
    with pytest.raises(SystemExit, match=r"(?s)no luck.*failed: "):
        run.call(sys.executable, "-c", "print('no luck'); raise SystemExit(1)")


def test_missing_venv_is_named_as_a_package(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who may not install packages is told the one line that does it."""
    monkeypatch.setattr(run.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match=r"sudo apt-get install python3\.\d+-venv"):
        run.install_venv()


def test_root_installs_the_missing_venv(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root on Debian gets the package without being asked."""
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(run.os, "geteuid", lambda: 0)
    monkeypatch.setattr(run.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(run, "call", lambda *command: commands.append(command))
    run.install_venv()
    assert [command[1] for command in commands] == ["update", "install"]
    assert commands[1][-1].endswith("-venv")
