"""Files of a model at a URL, through fsspec: s3://, gs://, https://, file://, memory:// and what else is installed.

Reads and streams; decides nothing about models. Every library below has errors of its own: here they become ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fsspec.core import url_to_fs
from fsspec.registry import known_implementations

from workers.errors import ConfigurationError, DependencyError, EnrichError
from workers.models.manifest import FileRecord, is_safe, wrong_digest
from workers.models.shelf import FULL, told_if_unwritable

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Report = Callable[[int, int], None]  # bytes that came, and bytes that are expected (0: not known)

CHUNK_BYTES = 1 << 20
SMALL_BYTES = 16 << 20  # configurations and manifests are far smaller; what is longer is something else
HERE = ("file", "local", "memory")  # protocols that ask no network
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}  # by protocol: the extra that brings what it needs


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder at a URL."""

    url: str  # without a slash at the end
    files: AbstractFileSystem
    root: str  # as the file system writes it

    @property
    def lists(self) -> bool:
        """Whether the names in a folder can be asked for; a web server only answers for names that one knows."""
        return not self.url.startswith(("http://", "https://"))

    def names(self) -> tuple[str, ...]:
        """The names that may be part of a model, none of a subfolder."""
        with told(self.url):
            found = [str(path).rstrip("/").rsplit("/", 1)[-1] for path in self.files.ls(self.root, detail=False)]
        return tuple(sorted(name for name in found if is_safe(name)))

    def has(self, name: str) -> bool:
        try:
            with told(f"{self.url}/{name}"):
                self.files.info(f"{self.root}/{name}")  # `exists` says no as well when the server is not there
        except _Missing:
            return False
        return True

    def read(self, name: str) -> bytes | None:
        """A small file, None if there is none."""
        try:
            with told(f"{self.url}/{name}"), self._open(name) as stream:
                data = stream.read(SMALL_BYTES + 1)
        except _Missing:
            return None
        if len(data) > SMALL_BYTES:
            raise ConfigurationError(f"{self.url}/{name} is longer than {SMALL_BYTES} bytes: it is no model's")
        return data

    def size_bytes(self, name: str) -> int:
        """0 if the server does not say."""
        with told(f"{self.url}/{name}"):
            return int(self.files.size(f"{self.root}/{name}") or 0)

    def fetch(self, name: str, folder: Path, *, sha256: str | None, report: Callable[[int], None]) -> FileRecord:
        """Streams a file into `folder`; `report` gets the bytes of each chunk.

        Raises ConfigurationError if it is not the one that was meant, ended early, or does not fit the disk.
        """
        what = f"{self.url}/{name}"
        whole, count = hashlib.sha256(), 0
        expected_bytes = self.size_bytes(name)
        with told(what), self._open(name) as stream, (folder / name).open("wb") as file:
            while chunk := stream.read(CHUNK_BYTES):
                with told_if_unwritable(folder.parent.parent):
                    file.write(chunk)
                whole.update(chunk)
                count += len(chunk)
                report(len(chunk))
        if expected_bytes and count != expected_bytes:
            raise ConfigurationError(f"{what} ended after {count} of {expected_bytes} bytes: pull it again")
        found = whole.hexdigest()
        if sha256 is not None and found != sha256:
            raise ConfigurationError(wrong_digest(what, found=found, expected=sha256))
        return FileRecord(name=name, size_bytes=count, sha256=found)

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO]:
        """From the first byte to the last, once: nothing is cached on the way."""
        plain: dict[str, Any] = {} if self.lists else {"block_size": 0}
        with self.files.open(f"{self.root}/{name}", "rb", **plain) as stream:
            yield stream


def open_remote(url: str, *, offline: bool = False) -> RemoteFolder:
    """Raises ConfigurationError for a protocol that is not installed, and offline for one that asks the network."""
    protocol, _, rest = url.partition("://")
    if "::" in url or "?" in rest or "#" in rest or "@" in rest.partition("/")[0]:
        raise ConfigurationError(
            f"{protocol}://... is no plain folder: give a URL without `::`, `?` and password; credentials are found in "
            "the protocol's own configuration"
        )
    if offline and protocol not in HERE:
        raise ConfigurationError(f"{url} is not in the store, and store.offline forbids to fetch it: pull it before")
    if protocol not in known_implementations and protocol not in HERE:
        raise ConfigurationError(f"{url}: nobody knows {protocol}://: use s3://, gs://, https://, file:// or a folder")
    try:
        files, root = url_to_fs(url.rstrip("/"))
    except (ImportError, ValueError) as error:
        extra = EXTRAS.get(protocol)
        remedy = f"pip install 'enrich-workers[{extra}]'" if extra else str(known_implementations[protocol].get("err"))
        raise ConfigurationError(
            f"{url}: what reads {protocol}:// is not installed: {' '.join(remedy.split())}"
        ) from error
    return RemoteFolder(url.rstrip("/"), files, root)


class _Missing(ConfigurationError):
    """There is no such file."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """The one seam where errors of file systems and web clients become ours."""
    try:
        yield
    except EnrichError:
        raise
    except Exception as error:  # boundary: every file system raises its own
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise _ours(what, error) from error


def _ours(what: str, error: Exception) -> EnrichError:
    from aiohttp import ClientError, ClientPayloadError, ClientResponseError

    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, ClientError | TimeoutError):
        error = error.__cause__  # fsspec calls missing whatever a web server does not give
    status = error.status if isinstance(error, ClientResponseError) else 0
    if isinstance(error, FileNotFoundError | NotADirectoryError) or status in {404, 410}:
        return _Missing(f"there is no {what}: correct the name")
    if isinstance(error, PermissionError) or status in {401, 403}:
        return ConfigurationError(f"{what} may not be read: check the credentials")
    if isinstance(error, ClientPayloadError):
        return ConfigurationError(f"{what} ended before all of it came: pull it again")
    return DependencyError(f"{what} cannot be reached ({f'status {status}' if status else type(error).__name__})")
