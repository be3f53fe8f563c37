"""Models of the Hugging Face hub, from a server that speaks its protocol: pinned, checked, safetensors only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.model_server import COMMIT, REPOSITORY, ModelServer, checkpoint, hub_files, serving
from workers.errors import ConfigurationError, DependencyError
from workers.models.pull import Wanted, pull
from workers.models.shelf import Shelf

FILES = checkpoint()
WEIGHTS = f"/{REPOSITORY}/resolve/{COMMIT}/model.safetensors"
UNSAFE = {"pytorch_model.bin": b"\x80\x04pickle", "modeling.py": b"import os", "onnx/model.safetensors": b"other"}


@pytest.fixture
def hub() -> Iterator[ModelServer]:
    with serving(ModelServer(hub_files({**FILES, **UNSAFE}))) as server:
        yield server


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's library tries again and again, with pauses that grow."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def wanted(hub: ModelServer, tmp_path: Path, name: str = REPOSITORY, revision: str | None = COMMIT) -> Wanted:
    return Wanted(name=name, revision=revision, endpoint=hub.url, cache=tmp_path / "hub")


def test_a_pinned_model_comes_without_code_and_pickle(hub: ModelServer, shelf: Shelf, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    pulled = pull(shelf, wanted(hub, tmp_path), report=lambda came, total: told.append((came, total)))
    assert {path.name for path in pulled.folder.iterdir()} == {*FILES, "enrich-manifest.json"}
    assert (pulled.folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert pulled.reference == f"{REPOSITORY}@{COMMIT}"
    assert not [path for path in hub.asked if path.endswith((".bin", ".py", "onnx/model.safetensors"))]
    assert told
    assert told[-1][0] == sum(map(len, FILES.values()))


@pytest.mark.parametrize("revision", [None, "main", "v1.0", COMMIT[:12], COMMIT.upper()])
def test_what_is_not_pinned_is_refused_before_anyone_is_asked(
    hub: ModelServer, shelf: Shelf, tmp_path: Path, revision: str | None
) -> None:
    with pytest.raises(ConfigurationError, match="not pinned") as error:
        pull(shelf, wanted(hub, tmp_path, revision=revision))
    assert "\n" not in str(error.value)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("name", "revision"), [("team/nothing", COMMIT), (REPOSITORY, "f" * 40)], ids=["repository", "commit"]
)
def test_what_the_hub_does_not_have_is_told(
    hub: ModelServer, shelf: Shelf, tmp_path: Path, name: str, revision: str
) -> None:
    with pytest.raises(ConfigurationError, match=name) as error:
        pull(shelf, wanted(hub, tmp_path, name, revision))
    assert "\n" not in str(error.value)
    assert shelf.digests() == ()


def test_a_body_that_ends_early_leaves_nothing(hub: ModelServer, shelf: Shelf, tmp_path: Path) -> None:
    hub.cut[WEIGHTS] = 100
    with pytest.raises((ConfigurationError, DependencyError), match=REPOSITORY) as error:
        pull(shelf, wanted(hub, tmp_path))
    assert "\n" not in str(error.value)
    assert (shelf.digests(), shelf.names()) == ((), {})
    hub.cut.clear()
    assert pull(shelf, wanted(hub, tmp_path)).folder.is_dir()


def test_a_repository_without_safetensors_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    files = {name: data for name, data in FILES.items() if name != "model.safetensors"}
    with serving(ModelServer(hub_files({**files, **UNSAFE}))) as hub, pytest.raises(ConfigurationError) as error:
        pull(shelf, wanted(hub, tmp_path))
    assert "no weights as safetensors" in str(error.value)
    assert shelf.digests() == ()


def test_a_damaged_cache_of_the_hub_is_found_out(hub: ModelServer, shelf: Shelf, tmp_path: Path) -> None:
    pull(Shelf(tmp_path / "other"), wanted(hub, tmp_path))
    for blob in (tmp_path / "hub").glob("models--*/blobs/*"):
        data = bytearray(blob.read_bytes())
        data[-1] ^= 1
        blob.unlink()  # not in place: the other store has the same file
        blob.write_bytes(data)
        with pytest.raises(ConfigurationError, match="has SHA-") as error:
            pull(shelf, wanted(hub, tmp_path))
        assert blob.name[:16] in str(error.value)
        data[-1] ^= 1
        blob.write_bytes(data)
    assert shelf.digests() == ()


def test_offline_takes_what_is_cached_and_asks_nobody(hub: ModelServer, shelf: Shelf, tmp_path: Path) -> None:
    offline = replace(wanted(hub, tmp_path), offline=True)
    with pytest.raises(ConfigurationError, match="offline"):
        pull(shelf, offline)
    assert hub.asked == []
    first = pull(Shelf(tmp_path / "other"), wanted(hub, tmp_path))
    hub.asked.clear()
    assert pull(shelf, offline).digest == first.digest
    assert hub.asked == []


def test_a_hub_that_is_not_there_is_a_service_that_is_not_there(shelf: Shelf, tmp_path: Path) -> None:
    gone = ModelServer({}, url="http://127.0.0.1:9")
    with pytest.raises(DependencyError, match="cannot be reached") as error:
        pull(shelf, wanted(gone, tmp_path))
    assert "\n" not in str(error.value)
