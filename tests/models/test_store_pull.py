"""Models from URLs: the same at every protocol, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path

import fsspec
import pytest

from tests.fakes.model_server import ModelServer, checkpoint
from tests.fakes.model_sources import Source, is_empty
from workers.errors import ConfigurationError, DependencyError, EnrichError
from workers.models.manifest import FileRecord, Manifest, find_problems, sha256_of
from workers.models.pull import Wanted, pull
from workers.models.shelf import Shelf

FILES = checkpoint()
MANIFEST = "enrich-manifest.json"


@pytest.fixture(params=["file", "memory", "http"])
def source(request: pytest.FixtureRequest, tmp_path: Path, web: ModelServer) -> Source:
    if request.param == "http":
        return Source(f"{web.url}/m", web)
    return Source(f"file://{tmp_path}/source" if request.param == "file" else f"memory://{uuid.uuid4().hex}")


def refused(shelf: Shelf, wanted: Wanted, kind: type[EnrichError] = ConfigurationError) -> str:
    """The one line that a pull ends in; nothing is left of it."""
    with pytest.raises(kind) as error:
        pull(shelf, wanted)
    assert "\n" not in str(error.value)
    assert is_empty(shelf)
    return str(error.value)


def test_a_model_comes_whole_and_has_its_manifest(source: Source, shelf: Shelf) -> None:
    told: list[tuple[int, int]] = []
    pulled = pull(shelf, Wanted(source.put(FILES).url), report=lambda came, total: told.append((came, total)))
    assert {path.name: path.read_bytes() for path in pulled.folder.iterdir() if path.name != MANIFEST} == FILES
    assert list(find_problems(pulled.folder)) == []
    assert pulled.digest == sha256_of(pulled.folder / MANIFEST)
    total = sum(map(len, FILES.values()))
    assert told[-1] == (total, total)
    assert shelf.names()[source.url].digest == pulled.digest


def test_the_digest_is_of_the_files_and_not_of_where_they_came_from(
    source: Source, shelf: Shelf, tmp_path: Path
) -> None:
    expected = Manifest(
        files=tuple(
            FileRecord(name=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
            for name, data in FILES.items()
        )
    )
    digest = hashlib.sha256(expected.encoded()).hexdigest()
    assert pull(shelf, Wanted(source.put(FILES).url, sha256=digest)).digest == digest
    line = refused(Shelf(tmp_path / "other"), Wanted(source.url, sha256="0" * 64))
    assert "expected 0000000000000000" in line


def test_a_manifest_at_the_source_says_what_the_files_must_be(source: Source, shelf: Shelf, tmp_path: Path) -> None:
    first = pull(shelf, Wanted(source.put(FILES).url))
    manifest = (first.folder / MANIFEST).read_bytes()
    other = checkpoint(seed=1)
    source.put({MANIFEST: manifest, "model.safetensors": other["model.safetensors"]})
    assert "model.safetensors has SHA-256" in refused(Shelf(tmp_path / "other"), Wanted(source.url))


@pytest.mark.parametrize("name", ["../evil.json", "model.bin", "code.py", "a/b.json", ".hidden.json"])
def test_a_manifest_cannot_bring_what_no_model_needs(shelf: Shelf, name: str) -> None:
    files = [{"name": name, "size_bytes": 1, "sha256": "0" * 64}]
    manifest = json.dumps({"format": 1, "files": files}).encode()
    source = Source(f"memory://{uuid.uuid4().hex}").put({**FILES, MANIFEST: manifest})
    assert "manifest" in refused(shelf, Wanted(source.url))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"tokenizer.json": b"{}"}, "config.json"),
        ({"config.json": b"{}"}, "no weights as safetensors"),
        ({"config.json": b"{}", "model.bin": b"\x80"}, "no weights as safetensors"),
        ({"config.json": b"{}", "model.safetensors": b"\x80\x04pickle"}, "not a safetensors file"),
        ({"config.json": b"{}", "model.safetensors": FILES["model.safetensors"][:-8]}, "cut short"),
        ({"config.json": b"[1, 2"}, "not JSON"),
        ({"config.json": b'{"heads_sha256": "no digest"}'}, "no SHA-256 of its heads"),
    ],
)
def test_what_is_no_model_is_one_line(source: Source, shelf: Shelf, files: dict[str, bytes], told: str) -> None:
    assert told in refused(shelf, Wanted(source.put(files).url))


def test_split_weights_come_by_their_index(source: Source, shelf: Shelf) -> None:
    parts = {f"model-0000{n}-of-00002.safetensors": checkpoint(n)["model.safetensors"] for n in (1, 2)}
    index = json.dumps({"weight_map": {f"layer.{name}": name for name in parts}}).encode()
    files = {"config.json": b"{}", "model.safetensors.index.json": index, **parts}
    assert {*parts} < {path.name for path in pull(shelf, Wanted(source.put(files).url)).folder.iterdir()}


def test_an_index_cannot_lead_elsewhere(web: ModelServer, shelf: Shelf) -> None:
    index = json.dumps({"weight_map": {"layer": "../../secret.safetensors"}}).encode()
    source = Source(f"{web.url}/m", web).put({"config.json": b"{}", "model.safetensors.index.json": index})
    assert "never fetched" in refused(shelf, Wanted(source.url))


@pytest.mark.parametrize("states_length", [True, False])
def test_a_body_that_ends_early_is_told(web: ModelServer, shelf: Shelf, states_length: bool) -> None:
    source = Source(f"{web.url}/m", web).put(FILES)
    web.states_length, web.cut["/m/model.safetensors"] = states_length, 1_000
    line = refused(shelf, Wanted(source.url))
    assert "model.safetensors" in line
    assert any(word in line for word in ("ended", "cut short"))


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [(403, ConfigurationError, "credentials"), (500, DependencyError, "500"), (503, DependencyError, "503")],
)
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_server_that_refuses_is_told(
    web: ModelServer, shelf: Shelf, name: str, status: int, kind: type[EnrichError], told: str
) -> None:
    source = Source(f"{web.url}/m", web).put(FILES)
    web.status[f"/m/{name}"] = status
    line = refused(shelf, Wanted(source.url), kind)
    assert told in line
    assert name in line


def test_a_server_that_is_not_there_is_a_service_that_is_not_there(shelf: Shelf) -> None:
    assert "cannot be reached" in refused(shelf, Wanted("http://127.0.0.1:9/m"), DependencyError)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3://bucket/model", "enrich-workers[s3]"),
        ("gs://bucket/model", "enrich-workers[gcs]"),
        ("adl://lake/model", "adl"),
        ("nonsense://x/y", "nobody knows"),
        ("https://user:secret@host/m", "credentials"),
        ("https://host/m?signature=secret", "credentials"),
        ("simplecache::https://host/m", "no plain folder"),
    ],
)
def test_a_url_that_cannot_work_says_what_to_do(shelf: Shelf, url: str, told: str) -> None:
    protocol = url.partition("://")[0]
    if protocol in {"s3", "gs"} and fsspec.utils.get_protocol(url) in installed():
        pytest.skip(f"what reads {protocol}:// is installed")
    line = refused(shelf, Wanted(url))
    assert told in line
    assert "secret" not in line


def installed() -> set[str]:
    """Protocols whose package is there."""
    found = set()
    for protocol in ("s3", "gs"):
        try:
            fsspec.get_filesystem_class(protocol)
            found.add(protocol)
        except ImportError:
            pass
    return found


def test_offline_asks_no_server_and_reads_local_urls(web: ModelServer, shelf: Shelf, tmp_path: Path) -> None:
    source = Source(f"{web.url}/m", web).put(FILES)
    assert "store.offline" in refused(shelf, Wanted(source.url, offline=True))
    assert web.asked == []
    local = Source(f"file://{tmp_path}/source").put(FILES)
    assert pull(shelf, Wanted(local.url, offline=True)).folder.is_dir()


def test_a_damaged_model_is_replaced_by_the_next_pull(source: Source, shelf: Shelf) -> None:
    pulled = pull(shelf, Wanted(source.put(FILES).url))
    (pulled.folder / "model.safetensors").write_bytes(b"damaged")
    assert list(find_problems(pulled.folder))
    again = pull(shelf, Wanted(source.url))
    assert again == pulled
    assert list(find_problems(again.folder)) == []


def test_a_check_that_refuses_leaves_nothing(source: Source, shelf: Shelf) -> None:
    def refuse(folder: Path) -> None:
        raise ConfigurationError(f"{folder.name} has labels that do not fit")

    with pytest.raises(ConfigurationError, match="labels"):
        pull(shelf, Wanted(source.put(FILES).url), check=refuse)
    assert is_empty(shelf)


def test_an_index_that_is_damaged_is_told(source: Source, shelf: Shelf) -> None:
    pull(shelf, Wanted(source.put(FILES).url))
    (shelf.root / "index.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"index\.json is damaged"):
        shelf.names()


def test_a_store_that_is_a_file_is_told(source: Source, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigurationError, match=r"store\.folder"):
        pull(Shelf(tmp_path / "taken"), Wanted(source.put(FILES).url))
