"""`fluxwire dev` as a developer meets it."""

import shutil
from pathlib import Path

from tests.services import CHAT, scratch_folder

from .test_run import up


def test_saved_sql_is_deployed(tmp_path: Path) -> None:
    """A save is deployed, an error is shown and changes nothing, its repair is deployed again."""
    shutil.copytree(CHAT / "sql", tmp_path / "sql")
    store = tmp_path / "sql/stores/rooms.sql"
    good = store.read_text()
    motd = "select document ->> 'motd' from flux.render('rooms{}')"
    with (
        scratch_folder() as folder,
        up(folder / "data", "--application", str(tmp_path), "--fronts", "1", command="dev") as stack,
    ):
        assert stack.child.stdout is not None
        store.write_text(good.replace("'{}'", '\'{"motd": "one"}\''))
        assert stack.child.stdout.readline().endswith(" ms: stores/rooms.sql\n")
        assert stack.fetch(motd) == "one"
        store.write_text(good.replace("'{}'", '\'{"motd": "two"\'}'))
        assert "Not deployed" in stack.child.stdout.readline()
        assert stack.child.stdout.readline().startswith(f"{store}:")
        assert stack.fetch(motd) == "one"
        store.write_text(good.replace("'{}'", '\'{"motd": "three"}\''))
        assert stack.child.stdout.readline().endswith(" ms: stores/rooms.sql\n")
        assert stack.fetch(motd) == "three"
