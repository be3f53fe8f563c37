"""How a model may compute: what it was measured in, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from schemas.base import StageName
from tests.fakes.tiny_model import LABELS, tiny_config, tiny_loaded, window_of, write_tiny
from workers.errors import ConfigurationError
from workers.lifecycle.optimize import Changes, optimize
from workers.models.folder import open_model
from workers.models.ready import ready_encoder, runs_in_int8
from workers.models.shared import SharedEncoderModel
from workers.settings import ModelSettings

CPU = torch.device("cpu")
needs_int8 = pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="a CPU without 8-bit products")


def test_int8_is_for_variants_that_were_made_for_it() -> None:
    config = tiny_config()
    with pytest.raises(ConfigurationError, match="enrich optimize"):
        runs_in_int8(config, ModelSettings(precision="int8"))
    variant = config.model_copy(update={"precision": "int8"})
    assert runs_in_int8(variant, ModelSettings(precision="int8"))
    assert runs_in_int8(variant, ModelSettings(precision="auto"))
    with pytest.raises(ConfigurationError, match="its parent"):
        runs_in_int8(variant, ModelSettings(precision="fp32"))


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_other_numbers_are_as_the_settings_say(precision: str, dtype: torch.dtype) -> None:
    loaded = tiny_loaded()
    settings = ModelSettings.model_validate({"precision": precision})
    encoder, name = ready_encoder(loaded.encoder, loaded.config, settings, CPU)
    assert name == precision
    assert encoder is loaded.encoder
    assert loaded.encoder.words.weight.dtype is dtype


@needs_int8
def test_a_variant_says_in_its_receipts_what_it_is(tmp_path: Path) -> None:
    parent = write_tiny(tmp_path)
    settings = parent.model_copy(update={"name": str(tmp_path / "variant"), "precision": "auto"})
    optimize(parent, Changes(int8=True), out=tmp_path / "variant")
    loaded, original = open_model(settings), open_model(parent)
    assert loaded.config.variant_of == original.revision
    model = SharedEncoderModel(loaded, labels=LABELS, settings=settings)
    assert (model.info.precision, model.info.name) == ("int8", "tiny-int8")
    assert model.info.revision != original.revision
    batch = model.prepare([window_of(model, "Ada lived in London.")])
    assert set(model.decode(model.forward(batch), batch)[0]) == set(StageName)


@pytest.mark.parametrize(
    ("changes", "plain", "tuned"), [(Changes(tuned_layers=1), 2, 1), (Changes(plain_layers=1), 1, 2)]
)
def test_dropped_layers_are_the_uppermost(tmp_path: Path, changes: Changes, plain: int, tuned: int) -> None:
    parent = write_tiny(tmp_path)
    optimize(parent, changes, out=tmp_path / "variant")
    whole = open_model(parent).encoder
    variant = open_model(parent.model_copy(update={"name": str(tmp_path / "variant")})).encoder
    assert (len(variant.plain), len(variant.tuned)) == (plain, tuned)
    kept = whole.state_dict()
    for name, tensor in variant.state_dict().items():
        assert torch.equal(tensor, kept[name])


@pytest.mark.parametrize("changes", [Changes(), Changes(tuned_layers=2), Changes(plain_layers=7)])
def test_a_change_that_is_none_or_cannot_be_is_refused(tmp_path: Path, changes: Changes) -> None:
    parent = write_tiny(tmp_path)
    with pytest.raises(ConfigurationError):
        optimize(parent, changes, out=tmp_path / "variant")
    assert not (tmp_path / "variant").exists()


def test_a_variant_is_not_written_over_a_model(tmp_path: Path) -> None:
    parent = write_tiny(tmp_path)
    with pytest.raises(ConfigurationError, match="already holds"):
        optimize(parent, Changes(tuned_layers=1), out=tmp_path / "model")


def test_the_parents_card_goes_along(tmp_path: Path) -> None:
    parent = write_tiny(tmp_path)
    (tmp_path / "model" / "MODEL_CARD.md").write_text("share-alike data\n", encoding="utf-8")
    optimize(parent, Changes(tuned_layers=1), out=tmp_path / "variant")
    card = (tmp_path / "variant" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# tiny-t1")
    assert card.endswith("share-alike data\n")
