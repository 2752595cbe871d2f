from pathlib import Path

from broker.secret_files import with_secrets


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """The content counts, without the line's end; everything else stays as it is."""
    (tmp_path / "database").write_text("postgresql://ada:secret@db/app\n")
    environment = {"DATABASE_URL_FILE": str(tmp_path / "database"), "REDIS_URL": "redis://h", "PATH": "/bin"}
    assert with_secrets(environment) == (
        {"DATABASE_URL": "postgresql://ada:secret@db/app", "REDIS_URL": "redis://h", "PATH": "/bin"},
        [],
    )


def test_all_faults_are_named(tmp_path: Path) -> None:
    """A file that is not there, one that is no text, and a secret that is given twice."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    _, faults = with_secrets({"DATABASE_URL_FILE": str(tmp_path / "none"), "REDIS_URL_FILE": str(tmp_path / "binary")})
    assert faults == [
        f"DATABASE_URL_FILE {tmp_path / 'none'} cannot be read: No such file or directory",
        f"REDIS_URL_FILE {tmp_path / 'binary'} holds no text",
    ]
    _, faults = with_secrets({"REDIS_URL": "redis://h", "REDIS_URL_FILE": str(tmp_path / "binary")})
    assert faults == ["REDIS_URL and REDIS_URL_FILE are both set; which one counts?"]
