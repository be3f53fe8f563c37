"""Brings a model from the hub or a URL into the store, whole or not at all. Read first: `pull`.

Every file is hashed as it comes; a model is moved to its place only when all of it is there and is what was meant.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from workers.errors import ConfigurationError
from workers.models.config import CONFIG_FILE, HEADS_FILE, read_config
from workers.models.gate import GATE_FILE
from workers.models.hub import REPOSITORY, check_blob, fetch_snapshot, require_commit, snapshot_files
from workers.models.manifest import (
    CARD_FILE,
    HEX_40,
    HEX_64,
    MANIFEST_FILE,
    WEIGHTS,
    FileRecord,
    Manifest,
    find_problems,
    is_safe,
    own_heads_sha256,
    parse_manifest,
    sha256_of,
    wrong_digest,
)
from workers.models.remote import RemoteFolder, Report, open_remote
from workers.models.shelf import Entry, Shelf, told_if_unwritable

INDEX_FILE = "model.safetensors.index.json"
# What a web server is asked for, since it lists nothing: all that the adapters read.
KNOWN_FILES = (
    "model.safetensors",
    INDEX_FILE,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "generation_config.json",
    "chat_template.jinja",
    "README.md",
    "LICENSE",
)

Check = Callable[[Path], None]  # raises ConfigurationError for a folder that cannot be used


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be pulled, from where, and how it is checked."""

    name: str  # REPOSITORY, REPOSITORY@COMMIT or a URL
    revision: str | None = None  # commit on the hub
    sha256: str | None = None  # the model's digest, if it is known
    offline: bool = False
    endpoint: str | None = None  # another hub than huggingface_hub's own
    cache: Path | None = None  # another cache than huggingface_hub's own

    @property
    def is_url(self) -> bool:
        return "://" in self.name

    def reference(self) -> str:
        """The name it has in the store. Raises ConfigurationError for what is not pinned, or is neither of both."""
        if self.is_url:
            return self.name.rstrip("/")
        repository, _, at = self.name.partition("@")
        if not REPOSITORY.fullmatch(repository):
            raise ConfigurationError(
                f"{self.name} is neither a model of the hub (OWNER/NAME) nor a URL: correct it, or name a folder"
            )
        return f"{repository}@{require_commit(repository, self.revision or at or None)}"


@dataclass(frozen=True, slots=True)
class Pulled:
    """A model that is in the store now."""

    reference: str
    digest: str
    folder: Path


def pull(
    shelf: Shelf,
    wanted: Wanted,
    *,
    alias: str | None = None,
    renew: bool = True,
    report: Report | None = None,
    check: Check | None = None,
) -> Pulled:
    """Fetches a model, checks it, and gives it its name; `alias` is a second one.

    Without `renew` one will do that another process brought while this one waited for it.
    Raises ConfigurationError, one line, if anything is not as it should be: then the store is as it was.
    DependencyError, if who has it cannot be reached.
    """
    reference = wanted.reference()
    with shelf.incoming(reference) as folder:
        entry = None if renew else shelf.names().get(reference)
        if entry is not None and shelf.folder(entry.digest).is_dir():
            return Pulled(reference, entry.digest, shelf.folder(entry.digest))
        if wanted.is_url:
            _take_from_url(open_remote(reference, offline=wanted.offline), folder, report)
        else:
            _take_from_hub(wanted, reference, folder, report)
        digest = _seal(folder, reference)
        if wanted.sha256 is not None and digest != wanted.sha256:
            raise ConfigurationError(wrong_digest(f"model {reference}", found=digest, expected=wanted.sha256))
        if check is not None:
            check(folder)
        target = shelf.admit(folder, digest)
        for name in (reference, alias):
            if name is not None:
                shelf.name(name, Entry(digest=digest, source=reference))
    return Pulled(reference, digest, target)


def split_pin(name: str) -> tuple[str, str | None]:
    """A name, and the digest that is pinned behind its `@`, if there is one."""
    plain, _, pin = name.rpartition("@")
    return (plain, pin) if plain and HEX_64.fullmatch(pin) else (name, None)


def split_commit(name: str) -> tuple[str, str | None]:
    """A name, and the commit behind its `@`, if there is one."""
    plain, _, pin = name.rpartition("@")
    return (plain, pin) if plain and HEX_40.fullmatch(pin) else (name, None)


def _take_from_url(remote: RemoteFolder, folder: Path, report: Report | None) -> None:
    config = remote.read(CONFIG_FILE)
    if config is None:
        raise ConfigurationError(f"there is no {remote.url}/{CONFIG_FILE}: name the folder of a model")
    expected = _contents(remote, config)
    sizes = sum(remote.size_bytes(name) for name in expected)
    came = 0

    def count(size: int) -> None:
        nonlocal came
        came += size
        if report is not None:
            report(came, max(sizes, came))

    for name, sha256 in expected.items():
        remote.fetch(name, folder, sha256=sha256, report=count)
    if (folder / CONFIG_FILE).read_bytes() != config:
        raise ConfigurationError(f"{remote.url} changed while it was read: pull it again")


def _contents(remote: RemoteFolder, config: bytes) -> dict[str, str | None]:
    """The files to fetch, and the SHA-256 of those whose digest the model itself names."""
    heads = own_heads_sha256(config, f"{remote.url}/{CONFIG_FILE}")
    if heads is not None:
        optional = [name for name in (CARD_FILE, GATE_FILE) if remote.has(name)]
        return {CONFIG_FILE: None, HEADS_FILE: heads, **dict.fromkeys(optional)}
    listed = remote.read(MANIFEST_FILE)
    if listed is not None:
        manifest = parse_manifest(listed, f"{remote.url}/{MANIFEST_FILE}")
        return {file.name: file.sha256 for file in manifest.files}
    if remote.lists:
        return dict.fromkeys(remote.names())
    found = [name for name in KNOWN_FILES if remote.has(name)]
    return dict.fromkeys([CONFIG_FILE, *found, *(_shards(remote) if INDEX_FILE in found else ())])


def _shards(remote: RemoteFolder) -> Iterator[str]:
    """The files that an index of split weights names."""
    try:
        names = set(orjson.loads(remote.read(INDEX_FILE) or b"")["weight_map"].values())
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{remote.url}/{INDEX_FILE} is no index of weights: replace it") from error
    for name in sorted(map(str, names)):
        if not is_safe(name):
            raise ConfigurationError(f"{remote.url}/{INDEX_FILE} names {name}, which is never fetched: replace it")
        yield name


def _take_from_hub(wanted: Wanted, reference: str, folder: Path, report: Report | None) -> None:
    """Links the files from the hub's cache, so that they are on the disk once; copies across file systems."""
    repository, commit = reference.split("@")
    with told_if_unwritable(folder.parent.parent):
        snapshot = fetch_snapshot(
            repository, commit, offline=wanted.offline, cache=wanted.cache, endpoint=wanted.endpoint, report=report
        )
    for path in snapshot_files(snapshot):
        check_blob(path)
        with told_if_unwritable(folder.parent.parent):
            try:
                os.link(path.resolve(), folder / path.name)
            except OSError:
                shutil.copyfile(path, folder / path.name)


def _seal(folder: Path, what: str) -> str:
    """Checks the layout of what came, writes its manifest if it names no digests itself, and returns its digest."""
    config = folder / CONFIG_FILE
    if not config.is_file():
        raise ConfigurationError(f"{what} has no {CONFIG_FILE}: name the folder of a model")
    if not any(folder.glob(WEIGHTS)):
        raise ConfigurationError(f"{what} has no weights as safetensors, and nothing else is fetched: convert them")
    own = own_heads_sha256(config.read_bytes(), f"{what}/{CONFIG_FILE}") is not None
    if own:
        read_config(folder)
    for problem in find_problems(folder):
        raise ConfigurationError(problem.replace(str(folder), what))
    if own:
        return sha256_of(config)
    records = tuple(
        FileRecord(name=path.name, size_bytes=path.stat().st_size, sha256=sha256_of(path))
        for path in folder.iterdir()
        if path.name != MANIFEST_FILE
    )
    with told_if_unwritable(folder.parent.parent):
        (folder / MANIFEST_FILE).write_bytes(Manifest(files=records).encoded())
    return sha256_of(folder / MANIFEST_FILE)
