"""Finds models by name and digest: a folder, a packaged model, the store, and what the store can pull. Loads nothing.

The order of sources is that of `_locate`. Which store is used, and whether the network may be asked, is said once per
process by `use_store`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workers.errors import ConfigurationError
from workers.models.config import CONFIG_FILE
from workers.models.hub import REPOSITORY
from workers.models.manifest import digest_of, find_problems, wrong_digest
from workers.models.pull import Wanted, pull, split_commit, split_pin
from workers.models.shelf import Entry, open_shelf
from workers.models.trunk import (
    TOKENIZER_FILE,
    TOKENIZER_SHA256,
    TRUNK_SHA256,
    WEIGHTS_FILE,
    TrunkFiles,
    open_trunk,
    read_checked,
)
from workers.settings.store import StoreSettings

__all__ = [
    "PACKAGED_MODELS",
    "TOKENIZER_FILE",
    "TOKENIZER_SHA256",
    "TRUNK_SHA256",
    "WEIGHTS_FILE",
    "TrunkFiles",
    "find_folder",
    "find_model",
    "find_trunk",
    "packaged_models",
    "read_checked",
    "use_store",
]

PACKAGED_MODELS = Path(__file__).parent

_in_use = StoreSettings()


def use_store(store: StoreSettings) -> None:
    """Which store the models of this process are found in, from now on."""
    global _in_use  # one per process, like torch's threads: every model is found through it
    _in_use = store


def packaged_models() -> dict[str, Path]:
    """The folders of the models that come with the package, by name."""
    return {path.parent.name: path.parent for path in sorted(PACKAGED_MODELS.glob(f"*/{CONFIG_FILE}"))}


def find_model(name: str) -> Path:
    """The folder of a model that `enrich train` made; a folder that names no digest, or another, is refused.

    `name` may end in `@` and the digest that it must have. Raises ConfigurationError, one line.
    """
    plain, pin = split_pin(name)
    return _pinned(_locate(plain, pin, None), plain, pin)


def find_folder(name: str, *, revision: str | None = None, files: Sequence[str]) -> Path:
    """The folder of a Hugging Face style model; the files that match `files` are hashed before it is handed out.

    A name of the hub needs `revision`, a commit of 40 hex digits; `name` may also end in `@` and it, or in `@` and the
    model's digest. A folder of the user's own without a manifest has no digests to be checked against.
    Raises ConfigurationError, one line; DependencyError for a source that cannot be reached.
    """
    plain, pin = split_pin(name)
    folder = _pinned(_locate(plain, pin, revision), plain, pin)
    for problem in find_problems(folder, only=files):
        raise ConfigurationError(problem)
    return folder


def find_trunk(
    folder: Path | None = None, *, weights_sha256: str = TRUNK_SHA256, tokenizer_sha256: str = TOKENIZER_SHA256
) -> TrunkFiles:
    """The trunk by digest: from `folder` alone if given, else from the first source that has it.

    Raises ConfigurationError if there is none, or if the one found is not the expected one.
    """
    return open_trunk(folder, _in_use, weights_sha256=weights_sha256, tokenizer_sha256=tokenizer_sha256)


def _locate(name: str, pin: str | None, revision: str | None) -> Path:
    """In this order: the user's folder, a packaged model, what was pulled, the hub or a URL."""
    folder = Path(name).expanduser()
    is_path = "/" in name or name.startswith((".", "~"))
    if "://" not in name and folder.is_dir() and (is_path or (folder / CONFIG_FILE).is_file()):
        return folder
    if not is_path and name in (packaged := packaged_models()):
        return packaged[name]
    shelf = open_shelf(_in_use.folder)
    plain, commit = split_commit(name)
    commit = revision or commit
    digest = _known(shelf.names(), plain, commit) or pin
    if digest is not None and shelf.folder(digest).is_dir():
        return shelf.folder(digest)
    if "://" in name or REPOSITORY.fullmatch(name.partition("@")[0]):
        wanted = Wanted(name=plain, revision=commit, sha256=pin, offline=_in_use.offline)
        return pull(shelf, wanted, renew=False).folder
    raise ConfigurationError(
        f"model {name} is neither a folder nor a packaged or pulled model: `enrich models list` shows those that there "
        "are, `enrich models pull` fetches one"
    )


def _known(names: dict[str, Entry], name: str, commit: str | None) -> str | None:
    """The digest that a name stands for; one that was pulled at another commit than is asked for is another model."""
    entry = names.get(name if commit is None else f"{name}@{commit}") or names.get(name.rstrip("/"))
    if entry is None or (commit is not None and not entry.source.endswith(f"@{commit}")):
        return None
    return entry.digest


def _pinned(folder: Path, name: str, pin: str | None) -> Path:
    if pin is not None and (found := digest_of(folder)) != pin:
        raise ConfigurationError(wrong_digest(f"model {name}", found=found or "unknown", expected=pin))
    return folder
