"""Models of the Hugging Face hub, by commit: `huggingface_hub` downloads them into its own cache, safetensors only.

The hub's cache names each file by its digest; here that is checked, since the library compares sizes only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workers.errors import ConfigurationError, DependencyError
from workers.models.manifest import HEX_40, HEX_64, SAFE_FILES, is_safe, sha256_of, wrong_digest
from workers.models.remote import Report

REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+")
SUBFOLDERS = "*/*"


def require_commit(repository: str, revision: str | None) -> str:
    """A branch or a tag is another model tomorrow: only a commit will do."""
    if revision is not None and HEX_40.fullmatch(revision):
        return revision
    given = "no revision is given" if revision is None else f"revision {revision} is not a commit"
    raise ConfigurationError(
        f"{repository} is no folder, and as a model of the hub it is not pinned ({given}): give the 40 hex digits of a "
        "commit as its revision"
    )


def fetch_snapshot(
    repository: str,
    commit: str,
    *,
    patterns: Sequence[str] = SAFE_FILES,
    offline: bool = False,
    cache: Path | None = None,
    endpoint: str | None = None,
    report: Report | None = None,
) -> Path:
    """The folder of that commit in the hub's cache, complete. None of it was checked yet.

    Raises ConfigurationError for what the hub does not have and, offline, for what the cache lacks; DependencyError for
    a hub that cannot be reached.
    """
    from huggingface_hub import errors, snapshot_download

    what = f"{repository} at {commit[:12]}"
    try:
        return Path(
            snapshot_download(
                repository,
                revision=commit,
                allow_patterns=list(patterns),
                ignore_patterns=[SUBFOLDERS],
                local_files_only=offline,
                cache_dir=cache,
                endpoint=endpoint,
                tqdm_class=_bar(report),
            )
        )
    except errors.GatedRepoError as error:
        raise ConfigurationError(f"{what} may not be read: accept its terms on the hub and log in there") from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise ConfigurationError(
            f"the hub has no {what}, or shows it to others only: correct name and commit"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        if offline or isinstance(error.__cause__, errors.OfflineModeIsEnabled):
            raise ConfigurationError(
                f"{what} is not in the hub's cache, and this is offline: pull it before"
            ) from error
        raise DependencyError(f"the hub cannot be reached for {what} ({type(error.__cause__).__name__})") from error
    except (errors.HFValidationError, errors.OfflineModeIsEnabled) as error:
        raise ConfigurationError(
            f"{what} cannot be had ({type(error).__name__}): correct the name, or go online"
        ) from error
    except errors.HfHubHTTPError as error:
        raise DependencyError(f"the hub refuses {what} (status {error.response.status_code}): try again") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise ConfigurationError(
            f"{what} did not come as a whole: pull it again"
        ) from error  # another size than stated
    except Exception as error:  # boundary: what the hub's library lets through of its web clients
        raise DependencyError(f"the hub cannot be reached for {what} ({type(error).__name__}): try again") from error


def snapshot_files(snapshot: Path) -> tuple[Path, ...]:
    """The files of a snapshot that may be part of a model, in order."""
    return tuple(sorted(path for path in snapshot.iterdir() if is_safe(path.name) and path.is_file()))


def check_blob(path: Path) -> str:
    """The SHA-256 of a file of a snapshot. Raises ConfigurationError if its name in the cache tells of another one."""
    named, found = path.resolve().name, sha256_of(path)
    if HEX_64.fullmatch(named) and named != found:
        raise ConfigurationError(wrong_digest(str(path.resolve()), found=found, expected=named))
    if HEX_40.fullmatch(named):  # a small file, named as git names it
        data = path.read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        if blob != named:
            raise ConfigurationError(wrong_digest(str(path.resolve()), found=blob, expected=named))
    return found


def _bar(report: Report | None) -> type[Any]:
    """What the hub's library takes for a progress bar: it shows nothing itself, and tells `report` the bytes."""
    from tqdm.auto import tqdm

    class Told(tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.counts = str(options.get("desc", "")).startswith("Reconstructing") and options.get("unit") == "B"
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            self.n += n or 0
            if self.counts and report is not None:
                report(int(self.n), int(self.total or 0))
            return None

    return Told
