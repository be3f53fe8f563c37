"""The laws of a window model, on a tiny one: nothing it says depends on company, and every span lies in its window."""

from __future__ import annotations

import gc
import random
import weakref
from contextlib import suppress

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from schemas.base import StageName
from tests.fakes.texts import any_text
from tests.fakes.tiny_model import LABELS, answers, tiny_loaded, tiny_model, window_of
from workers.errors import ModelError, OutOfMemory
from workers.models import shared
from workers.models.faults import check_finite, model_errors
from workers.models.prepared import AREA_MULTIPLE, padded_length
from workers.models.shared import SharedEncoderModel
from workers.settings import ModelSettings
from workers.stages.results import ClassificationResult, EntitiesResult, RelationsResult, SummaryResult
from workers.text.pieces import Window

MODEL = tiny_model()


@settings(deadline=None)
@given(any_text)
def test_every_entity_is_a_piece_of_its_window(text: str) -> None:
    window = window_of(MODEL, text)
    batch = MODEL.prepare([window])
    (answer,) = MODEL.decode(MODEL.forward(batch), batch)
    found, related = answer[StageName.ENTITIES], answer[StageName.RELATIONS]
    assert isinstance(found, EntitiesResult)
    assert isinstance(related, RelationsResult)
    ends = [0]
    for entity in found.entities:
        assert ends[-1] <= entity.start < entity.end <= len(window.text)
        assert 0 <= entity.score <= 1
        ends.append(entity.end)
    assert related.entities == found.entities
    for relation in related.relations:
        assert relation.head != relation.tail
        types = (related.entities[relation.head].type, related.entities[relation.tail].type)
        assert types == (("PER", "LOC") if relation.type == "lives_in" else ("PER", "PER"))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(alphabet="abc De.,\u0301中", max_size=60), min_size=2, max_size=6))
@example(["D", "D", "D", "ac"])  # the last one stands elsewhere among its rows than alone
def test_a_window_gets_the_same_answer_alone_and_in_company(texts: list[str]) -> None:
    prepared = MODEL.prepare([window_of(MODEL, text) for text in texts])
    alone = answers(MODEL, texts)
    for area in {item.area for item in prepared}:
        numbers = [number for number, item in enumerate(prepared) if item.area == area]
        random.Random(0).shuffle(numbers)
        batch = [prepared[number] for number in numbers]
        for number, answer in zip(numbers, MODEL.decode(MODEL.forward(batch), batch), strict=True):
            assert dict(answer) == alone[number]


def test_items_of_different_areas_are_refused_together() -> None:
    batch = MODEL.prepare([window_of(MODEL, "short"), window_of(MODEL, "long " * 40)])
    with pytest.raises(ModelError):
        MODEL.forward(batch)


@given(st.integers(0, 510))
@settings(max_examples=20, deadline=None)
def test_the_area_is_the_length_and_its_ends_rounded_up(words: int) -> None:
    (item,) = MODEL.prepare([window_of(MODEL, "word " * words)])
    assert 0 <= item.area - (words + 2) < AREA_MULTIPLE
    assert item.area - (words + 2) <= max(1, (words + 2) / 8)  # an eighth at most is padding, or one token
    assert item.area == padded_length(item.area)


@pytest.mark.parametrize("text", ["", " ", "\x00", "\u200b\u200d", "\u0301", "."])
def test_a_window_with_next_to_nothing_in_it_has_an_answer(text: str) -> None:
    (answer,) = answers(MODEL, [text])
    assert set(answer) == set(StageName)


def test_sentences_answer_one_by_one() -> None:
    text = "Rome is old. \x00 Paris is not."
    window = window_of(MODEL, text, ((0, 12), (13, 14), (15, len(text))))
    batch = MODEL.prepare([window])
    (answer,) = MODEL.decode(MODEL.forward(batch), batch)
    summary = answer[StageName.SUMMARY]
    assert isinstance(summary, SummaryResult)
    assert summary.tokens == (4, 0, 4)
    assert summary.vectors.shape == (3, 32)
    assert not summary.vectors[1].any()
    assert abs(float((summary.vectors[0].astype(float) ** 2).sum()) ** 0.5 - 127) < 4


def test_stages_left_out_do_not_change_the_others() -> None:
    text = "Ada Lovelace lived in London. She knew Charles Babbage."
    (whole,) = answers(MODEL, [text])
    for stage in StageName:
        model = SharedEncoderModel(
            tiny_loaded(), labels=LABELS, stages=(stage,), settings=ModelSettings(precision="fp32")
        )
        (only,) = answers(model, [text])
        assert only == {stage: whole[stage]}


def test_a_label_scores_the_same_whatever_the_other_labels_are() -> None:
    fewer = SharedEncoderModel(
        tiny_loaded(), labels={"sport": LABELS["sport"]}, settings=ModelSettings(precision="fp32")
    )
    ours, theirs = (answers(model, ["The match was won."])[0][StageName.CLASSIFICATION] for model in (MODEL, fewer))
    assert isinstance(ours, ClassificationResult)
    assert isinstance(theirs, ClassificationResult)
    assert theirs.scores == ours.scores[:1]
    assert ours.weight == 5


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_number_that_is_not_finite_is_found(wrong: float, dtype: torch.dtype) -> None:
    hidden = torch.ones(3, 40, 32, dtype=dtype)
    check_finite(hidden)
    hidden[1, 17, 5] = wrong
    with pytest.raises(ModelError, match="not finite"):
        check_finite(hidden)


def test_hidden_states_that_are_not_numbers_are_an_error_and_not_an_answer() -> None:
    loaded = tiny_loaded()
    torch.nn.init.constant_(loaded.encoder.norm.weight, float("nan"))
    model = SharedEncoderModel(
        loaded, labels={}, stages=(StageName.ENTITIES,), settings=ModelSettings(precision="fp32")
    )
    with pytest.raises(ModelError, match="not finite"):
        model.forward(model.prepare([window_of(model, "Rome")]))


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), OutOfMemory),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), OutOfMemory),
        (MemoryError(), OutOfMemory),
        (RuntimeError("shapes do not fit"), ModelError),
        (IndexError("secret text"), ModelError),
    ],
)
def test_torch_errors_become_ours(raised: Exception, expected: type[ModelError]) -> None:
    with pytest.raises(ModelError) as error, model_errors():
        raise raised
    assert type(error.value) is expected
    assert "secret" not in str(error.value)


def test_an_accent_written_apart_stays_with_its_letter() -> None:
    text = "Rene\u0301"
    window = Window(text, 0, ((0, 5),), MODEL.tokenize([text])[0])
    assert window.tokens.ends[-1] == 4, "the tokenizer keeps the accent: this test has nothing to test any more"
    batch = MODEL.prepare([window])
    (answer,) = MODEL.decode(MODEL.forward(batch), batch)
    found = answer[StageName.ENTITIES]
    assert isinstance(found, EntitiesResult)
    assert all(entity.end == 5 for entity in found.entities)


def test_nothing_of_a_pass_that_failed_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the collector of garbage: what the next try needs must be free at once."""
    model = tiny_model()
    batch = model.prepare([window_of(model, "Anna met Bert.")])
    held: list[weakref.ref[Tensor]] = []

    def fail(numbers: Tensor) -> None:
        held.append(weakref.ref(numbers))
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(shared, "check_finite", fail)
    gc.disable()
    try:
        with suppress(OutOfMemory):
            model.forward(batch)
        (passed,) = held
        assert passed() is None
    finally:
        gc.enable()
