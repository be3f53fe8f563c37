"""Which files a model folder must hold, by size and SHA-256, and whether it does. Moves nothing, loads no weights.

Of a model that `enrich train` made the configuration names the digests; of any other folder `enrich-manifest.json`
does. The SHA-256 of that one file is the model's digest: it stands for all of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Literal

import orjson
from pydantic import Field, NonNegativeInt, StringConstraints, ValidationError
from safetensors import SafetensorError, safe_open

from workers.errors import ConfigurationError
from workers.models.config import CONFIG_FILE, HEADS_FILE
from workers.settings import FrozenSettings

MANIFEST_FILE = "enrich-manifest.json"
CARD_FILE = "MODEL_CARD.md"
WEIGHTS = "*.safetensors"
# What may be fetched: no code, no pickle, nothing in a subfolder.
SAFE_FILES = ("*.json", WEIGHTS, "*.txt", "*.jinja", "*.md", "LICENSE*", "NOTICE*")
HEX_40, HEX_64 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class FileRecord(FrozenSettings):
    """One file as it must be."""

    name: FileName
    size_bytes: NonNegativeInt
    sha256: Sha256


class Manifest(FrozenSettings):
    """The files of a model that names none itself."""

    format: Literal[1] = 1
    files: tuple[FileRecord, ...] = Field(min_length=1)

    def encoded(self) -> bytes:
        """The bytes of `enrich-manifest.json`; the same for the same files, so that the digest is, too."""
        ordered = self.model_copy(update={"files": tuple(sorted(self.files, key=lambda file: file.name))})
        return orjson.dumps(ordered.model_dump(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def is_safe(name: str) -> bool:
    """Whether a file of that name may be part of a model."""
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", name) is not None
    return plain and name != MANIFEST_FILE and matches(name, SAFE_FILES)


def matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def own_heads_sha256(config: bytes, what: str) -> str | None:
    """The digest of the heads if the configuration is one that `enrich train` wrote, None if it is another's."""
    try:
        tree = orjson.loads(config)
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"{what} is not JSON: it is damaged or another file; replace it") from error
    digest = tree.get("heads_sha256") if isinstance(tree, dict) else None
    if digest is not None and not (isinstance(digest, str) and HEX_64.fullmatch(digest)):
        raise ConfigurationError(f"{what} names no SHA-256 of its heads: make the model again with `enrich train`")
    return digest


def parse_manifest(data: bytes, what: str) -> Manifest:
    """Raises ConfigurationError for what is not a manifest, or names a file that is never fetched."""
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise ConfigurationError(f"{what} is not a manifest of this version: replace it") from error
    unsafe = [file.name for file in manifest.files if not is_safe(file.name)]
    if unsafe:
        raise ConfigurationError(
            f"{what} names {unsafe[0]}, which no model needs: only safetensors and texts are taken"
        )
    return manifest


def digest_of(folder: Path) -> str | None:
    """The model's digest; None of a folder with neither a manifest nor a configuration of our own."""
    if (folder / MANIFEST_FILE).is_file():
        return sha256_of(folder / MANIFEST_FILE)
    config = folder / CONFIG_FILE
    return sha256_of(config) if config.is_file() and own_heads_sha256(config.read_bytes(), str(config)) else None


def find_problems(folder: Path, *, only: Sequence[str] = ("*",)) -> Iterator[str]:
    """One line per file that is missing or is not the one that was meant; reads the files that match `only` whole.

    A folder that names no digests is only looked at for weights that are no safetensors.
    """
    expected = _expected(folder)
    for name, sha256 in expected.items():
        if matches(name, only) and (problem := _problem(folder / name, sha256)):
            yield problem
    for path in sorted(folder.glob(WEIGHTS)):
        if path.name not in expected and matches(path.name, only) and (problem := layout_problem(path)):
            yield problem


def _expected(folder: Path) -> dict[str, str]:
    """SHA-256 by file name."""
    manifest, config = folder / MANIFEST_FILE, folder / CONFIG_FILE
    if manifest.is_file():
        return {file.name: file.sha256 for file in parse_manifest(manifest.read_bytes(), str(manifest)).files}
    heads = own_heads_sha256(config.read_bytes(), str(config)) if config.is_file() else None
    return {} if heads is None else {HEADS_FILE: heads}


def _problem(path: Path, sha256: str) -> str | None:
    try:
        found = sha256_of(path)
    except OSError as error:
        return f"cannot read {path} ({error.strerror}): restore it or pull the model again"
    return None if found == sha256 else wrong_digest(str(path), found=found, expected=sha256)


def wrong_digest(what: str, *, found: str, expected: str) -> str:
    return f"{what} has SHA-256 {found[:16]}..., expected {expected[:16]}...: it is damaged or another file; replace it"


def layout_problem(path: Path) -> str | None:
    """Why a file cannot be weights; reads its header alone, which says how long the file must be."""
    try:
        with safe_open(path, framework="numpy"):
            return None
    except (SafetensorError, OSError):
        return f"{path} is not a safetensors file, or is cut short: replace it"


def sha256_of(path: Path) -> str:
    """Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
