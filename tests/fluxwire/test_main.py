"""The command line: what it offers, and how it refuses."""

from pathlib import Path

import jwt
import pytest

from fluxwire import token
from fluxwire.__main__ import COMMANDS, main


def test_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """--help lists all commands."""
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that there is not is named, and what there is is listed."""
    assert main(["dance"]) == 2
    assert "no command dance" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command has a --help, and takes --data."""
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert "--data DIR" in capsys.readouterr().out


def test_refusal_is_a_sentence_and_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a running stack, dsn says so in words, without a traceback."""
    assert main(["dsn", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"fluxwire: No stack is running on {tmp_path}.\nStart one with: python3 run.py\n"
    )


def test_token_is_signed_with_the_data_folders_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`token NAME` prints one token and nothing else."""
    token.make_key(tmp_path / "key")
    assert main(["token", "ada", "--data", str(tmp_path), "--days", "1"]) == 0
    printed = capsys.readouterr().out.strip()
    claims = jwt.decode(printed, token.read_key(tmp_path / "key"), algorithms=["HS256"], audience="fluxwire")
    assert claims["sub"] == "ada"
    assert claims["exp"] - claims["iat"] == 86400


@pytest.mark.parametrize("words", [["--port", "70000"], ["--port", "0"], ["--port", "http"], ["--fronts", "0"]])
def test_senseless_numbers_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A port or a number of fronts that cannot be is refused before anything starts."""
    with pytest.raises(SystemExit) as caught:
        main(["up", *words])
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_application_without_sql_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An application needs a folder sql."""
    assert main(["--application", str(tmp_path), "--data", str(tmp_path / "data")]) == 1
    assert "has no folder sql" in capsys.readouterr().err
