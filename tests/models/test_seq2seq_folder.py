"""Folders that hold no usable model: one clear line each, and nothing but safetensors is ever loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from pydantic import ValidationError

from tests.fakes.tiny_seq2seq import open_tiny, spec_of, window_of, write_seq2seq, written
from workers.errors import ConfigurationError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_seq2seq(tmp_path_factory.mktemp("bart") / "writer", "bart")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "writer"))


def change(folder: Path, file: str, **values: object) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def without_one_weight(folder: Path) -> None:
    state = safetensors.torch.load_file(folder / "model.safetensors")
    state.pop("model.decoder.layers.0.fc1.weight")
    safetensors.torch.save_file(state, folder / "model.safetensors", {"format": "pt"})


def as_pickle(folder: Path) -> None:
    torch.save(safetensors.torch.load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def cut_off(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json (No such file"),
        (lambda folder: (folder / "config.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json (No such file"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "not a fast tokenizer"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights as safetensors"),
        (as_pickle, "no weights as safetensors"),
        (cut_off, "is cut short"),
        (without_one_weight, "lacks 1 of its weights, such as model.decoder.layers.0.fc1.weight"),
        (lambda folder: change(folder, "config.json", model_type="led"), "of type 'led'"),
        (lambda folder: change(folder, "config.json", d_ff=3, decoder_ffn_dim=99), "cannot be loaded"),
        (lambda folder: change(folder, "generation_config.json", num_beams=0), "generation configuration"),
        (lambda folder: change(folder, "generation_config.json", eos_token_id=None), "which tokens start, end"),
    ],
)
def test_a_damaged_folder_is_one_clear_line(folder: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(folder)
    with pytest.raises(ConfigurationError) as caught:
        open_tiny(folder)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_new_tokens": 128}, "max_new_tokens=128 exceeds the 127"),
        ({"max_new_tokens": 20, "min_new_tokens": 21}, "min_new_tokens=21 exceeds max_new_tokens=20"),
        ({"min_new_tokens": 130}, "min_new_tokens=130 exceeds the 127"),
        ({"prefix": "word " * 50}, "shorten the prefix"),
    ],
)
def test_what_cannot_be_written_is_refused_at_the_start(whole: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises((ConfigurationError, ValidationError), match=told):
        open_tiny(whole, **options)


def test_code_in_a_folder_is_not_run(folder: Path) -> None:
    (folder / "evil.py").write_text("raise SystemExit('was run')")
    change(folder, "config.json", auto_map={"AutoModelForSeq2SeqLM": "evil.Model", "AutoConfig": "evil.Config"})
    model = open_tiny(folder, max_new_tokens=4)
    assert len(written(model, [window_of(model, "the river")])) == 1


def test_the_revision_names_files_and_manner_and_not_the_place(whole: Path, folder: Path) -> None:
    first, copied = open_tiny(whole).info, open_tiny(folder).info
    assert first == copied
    assert first.name == "writer"
    (folder / "README.md").write_text("not read")
    assert open_tiny(folder).info.revision == first.revision
    assert open_tiny(folder, num_beams=2).info.revision != first.revision
    change(folder, "generation_config.json", length_penalty=2.0)
    assert open_tiny(folder).info.revision != first.revision


def test_a_bar_on_the_terminal_is_for_people(whole: Path, capfd: pytest.CaptureFixture[str]) -> None:
    open_tiny(whole)
    assert capfd.readouterr() == ("", "")


def test_the_settings_refuse_what_they_do_not_know(whole: Path) -> None:
    with pytest.raises(ValidationError, match="do_sample"):
        spec_of(whole, do_sample=True)
