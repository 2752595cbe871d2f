"""Where archives are kept: a folder, or a bucket of S3 and what speaks like it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from fluxwire.stack.errors import StackError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MISSING = "Archives need what an extra brings: pip install 'fluxwire[archive]'"


class Storage:
    """Files by name, compressed with Zstandard.

    Args:
        location: A folder, which is made, or a URL like ``s3://bucket/prefix``. Credentials, region and endpoint of a
            bucket come from the environment, by the names that AWS gave them.

    Raises:
        StackError: It is no such place, or the extra is not installed.

    """

    def __init__(self, location: str) -> None:
        try:
            import obstore  # noqa: PLC0415 - an extra
            import zstandard  # noqa: PLC0415
        except ImportError as exc:
            raise StackError(MISSING) from exc
        self._location = location
        self._obstore = obstore
        self._zstandard = zstandard
        with self._told("reached"):
            self._store: ObjectStore = (
                obstore.store.from_url(location)
                if "://" in location
                else obstore.store.LocalStore(Path(location).absolute(), mkdir=True)
            )

    def names(self) -> list[str]:
        """List the files that there are."""
        with self._told("listed"):
            return sorted(str(found["path"]) for found in self._obstore.list(self._store).collect())

    @contextmanager
    def write(self, name: str) -> Iterator[IO[bytes]]:
        """Write a file; it is there, as a whole, once this has ended well."""
        with self._told("written to"):
            writer = self._obstore.open_writer(self._store, name)
            compressor = self._zstandard.ZstdCompressor()
            with compressor.stream_writer(cast("IO[bytes]", writer), closefd=False) as compressed:
                yield cast("IO[bytes]", compressed)
            # Not in a finally: what is not closed is not there.
            writer.close()

    @contextmanager
    def read(self, name: str) -> Iterator[IO[bytes]]:
        """Read a file."""
        with self._told("read"):
            reader = self._obstore.open_reader(self._store, name)
            yield open_compressed(cast("IO[bytes]", reader))

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (self._obstore.exceptions.BaseError, self._zstandard.ZstdError, OSError, EOFError) as exc:
            raise StackError(f"{self._location} cannot be {what}.", str(exc).partition("\n")[0]) from exc


def open_compressed(file: IO[bytes]) -> IO[bytes]:
    """Read what is compressed with Zstandard.

    Raises:
        StackError: The extra is not installed.

    """
    try:
        import zstandard  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise StackError(MISSING) from exc
    return cast("IO[bytes]", io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file)))
