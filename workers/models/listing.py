"""What the store and the package hold: a row per model, and what is wrong with its files. Fetches and loads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from workers.errors import ConfigurationError
from workers.models.config import CONFIG_FILE, ModelConfig, read_config, revision_of
from workers.models.manifest import MANIFEST_FILE, digest_of, find_problems, own_heads_sha256, sha256_of
from workers.models.served import check_gate
from workers.models.shelf import open_shelf
from workers.models.store import packaged_models
from workers.models.trunk import open_trunk
from workers.settings import FrozenSettings
from workers.settings.store import StoreSettings


class Row(FrozenSettings):
    """One model that can be named."""

    name: str
    digest: str
    source: str  # packaged, or where it was pulled from
    folder: str
    size_bytes: int
    kind: str  # enrich: made by `enrich train`; checkpoint: anybody else's
    precision: str | None = None  # what a variant was made for
    variant_of: str | None = None  # revision of its parent
    revision: str | None = None  # as receipts state it
    gate: str | None = None  # of a variant: passed, or why it is not served
    scores: dict[str, float] = Field(default_factory=dict)  # of the model card
    problem: str | None = None  # why it cannot be read


@dataclass(frozen=True, slots=True)
class Place:
    """A name, and where its files are."""

    name: str
    source: str
    folder: Path
    digest: str


def places(store: StoreSettings) -> list[Place]:
    """Packaged models first, then the names of the store."""
    shelf = open_shelf(store.folder)
    packaged = [Place(name, "packaged", folder, digest_of(folder) or "") for name, folder in packaged_models().items()]
    names = shelf.names()
    pulled = [Place(name, entry.source, shelf.folder(entry.digest), entry.digest) for name, entry in names.items()]
    known = {entry.digest for entry in names.values()}
    unnamed = [Place(d, "no name", shelf.folder(d), d) for d in shelf.digests() if d not in known]
    return [*packaged, *sorted(pulled, key=lambda place: place.name), *unnamed]


def describe(place: Place) -> Row:
    """A model that cannot be read is a row, too: it says why."""
    row = Row(
        name=place.name,
        digest=place.digest,
        source=place.source,
        folder=str(place.folder),
        size_bytes=sum(path.stat().st_size for path in place.folder.glob("*") if path.is_file()),
        kind="checkpoint",
    )
    try:
        config = _own_config(place.folder)
    except (ConfigurationError, OSError) as error:
        return row.model_copy(update={"problem": str(error)})
    if config is None:
        return row
    return row.model_copy(
        update={
            "kind": "enrich",
            "precision": config.precision,
            "variant_of": config.variant_of,
            "revision": revision_of(config),
            "gate": _gate(place.folder, config),
            "scores": config.scores,
        }
    )


def verify(place: Place, store: StoreSettings) -> Iterator[str]:
    """A line per problem; every byte is read. The network is not asked."""
    if not place.folder.is_dir():
        yield f"{place.folder} is missing: pull the model again"
        return
    root = place.folder / MANIFEST_FILE
    root = root if root.is_file() else place.folder / CONFIG_FILE
    try:
        if place.source != "packaged" and sha256_of(root) != place.digest:
            yield f"{root} was changed: it is not what {place.digest[:16]}... names; pull the model again"
            return
        yield from find_problems(place.folder)
        config = _own_config(place.folder)
        if config is not None:
            open_trunk(
                None,
                store.model_copy(update={"offline": True}),
                weights_sha256=config.trunk_sha256,
                tokenizer_sha256=config.tokenizer_sha256,
            )
    except OSError as error:
        yield f"cannot read {root} ({error.strerror}): pull the model again"
    except ConfigurationError as error:
        yield str(error)


def _own_config(folder: Path) -> ModelConfig | None:
    path = folder / CONFIG_FILE
    return read_config(folder) if own_heads_sha256(path.read_bytes(), str(path)) else None


def _gate(folder: Path, config: ModelConfig) -> str | None:
    if config.variant_of is None:
        return None
    try:
        check_gate(folder, config)
    except ConfigurationError as error:
        return str(error)
    return "passed"
