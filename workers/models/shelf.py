"""The store on disk: models in folders named by digest, and an index of names. Fetches nothing, opens no model.

    index.json            names -> digest and source, replaced whole
    models/<digest>/      a model's files, never changed after they came
    incoming/<key>/       what is being fetched, under `<key>.lock`; the lock of a killed process is free again

A model appears by one rename of a folder whose files were flushed: it is there as a whole, or it is not there.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path
from pydantic import Field, ValidationError

from workers.errors import ConfigurationError
from workers.models.gate import GATE_FILE
from workers.models.manifest import CARD_FILE, Sha256, find_problems
from workers.settings import FrozenSettings

UNCOVERED = (CARD_FILE, GATE_FILE)
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Entry(FrozenSettings):
    """What a name stands for."""

    digest: Sha256
    source: str  # repository and commit, or URL


class Index(FrozenSettings):
    """The names of a store."""

    models: dict[str, Entry] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A store's folder. Several processes may use it at once."""

    root: Path

    def names(self) -> dict[str, Entry]:
        """Raises ConfigurationError for an index that cannot be read."""
        path = self.root / "index.json"
        try:
            return Index.model_validate_json(path.read_bytes()).models
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            raise ConfigurationError(f"{path} is damaged: delete it and pull the models again") from error

    def folder(self, digest: str) -> Path:
        return self.root / "models" / digest

    def digests(self) -> tuple[str, ...]:
        """Of everything that is there, named or not."""
        return tuple(sorted(place.name for place in (self.root / "models").glob("*") if len(place.name) == 64))

    @contextmanager
    def incoming(self, reference: str) -> Iterator[Path]:
        """An empty folder for what `reference` names; gone at the end, whatever happened. One process at a time.

        What killed processes left is removed first. Raises ConfigurationError if the store cannot be written.
        """
        key = hashlib.sha256(reference.encode()).hexdigest()[:16]
        place = self.root / "incoming"
        with told_if_unwritable(self.root):
            place.mkdir(parents=True, exist_ok=True)
            lock = FileLock(place / f"{key}.lock")
            lock.acquire()
        try:
            self._sweep(keep=key)
            folder = place / key
            shutil.rmtree(folder, ignore_errors=True)
            try:
                with told_if_unwritable(self.root):
                    folder.mkdir()
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            lock.release()

    def admit(self, folder: Path, digest: str) -> Path:
        """Moves a complete folder to its place and returns that. Another process may have been first: then it is there.

        One that is there and damaged is replaced. What the digest does not cover, card and gate record, is renewed.
        """
        target = self.folder(digest)
        with told_if_unwritable(self.root):
            if target.is_dir() and any(find_problems(target)):
                shutil.rmtree(target)
            for path in folder.iterdir():
                _flush(path)
            _flush(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.rename(target)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
                for name in UNCOVERED:
                    if (folder / name).is_file():
                        (folder / name).replace(target / name)
            _flush(target.parent)
        return target

    def name(self, name: str, entry: Entry) -> None:
        """Gives a model a name; it had another model's before, perhaps."""
        with told_if_unwritable(self.root), FileLock(self.root / "index.lock"):
            index = Index(models={**self.names(), name: entry})
            fresh = self.root / "index.json.new"
            fresh.write_text(index.model_dump_json(indent=2) + "\n", encoding="utf-8")
            _flush(fresh)
            fresh.replace(self.root / "index.json")
            _flush(self.root)

    def _sweep(self, keep: str) -> None:
        for folder in (self.root / "incoming").glob("*"):
            if folder.is_dir() and folder.name != keep:
                with suppress(Timeout), FileLock(folder.with_suffix(".lock"), timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)


def open_shelf(folder: Path | None) -> Shelf:
    """The store of that folder; of the user's cache folder if there is none given."""
    return Shelf((folder or user_cache_path("enrich-workers", appauthor=False) / "models").expanduser().absolute())


@contextmanager
def told_if_unwritable(root: Path) -> Iterator[None]:
    """The one seam where a full or read-only disk becomes one line."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise ConfigurationError(
                f"no space is left for model store {root}: free some, or set store.folder"
            ) from error
        if isinstance(error, PermissionError) or error.errno in {errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
            raise ConfigurationError(f"cannot write model store {root} ({error.strerror}): set store.folder") from error
        raise


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
