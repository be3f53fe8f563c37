"""A model per stage: each lane reads and answers for itself, and a document is put together from all of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as laws
from hypothesis import strategies as st

from schemas import Entity, StageName
from tests.fakes.lanes import enrich, lanes_of, settings_of
from tests.fakes.models import POISON, Asked, OracleModel, answer_of
from tests.fakes.pipelines import incoming, oracle, payload
from workers.compose import keys_of
from workers.enrich.assemble import with_types_of
from workers.enrich.lanes import Lane
from workers.enrich.outcome import Enriched, Failed
from workers.errors import DeviceLost
from workers.settings import DEFAULT_MODEL, Settings
from workers.stages.results import FoundEntity, FoundRelation, RelationsResult
from workers.text.pieces import Window

ENTITIES, RELATIONS, CLASSIFICATION, SUMMARY = StageName
LONG = " ".join(f"Sentence number {n} says a little." for n in range(40))
OTHER = "other"


def test_stages_that_name_no_model_are_one_lane() -> None:
    assert Settings().lanes() == {DEFAULT_MODEL: tuple(StageName)}


def test_two_names_of_the_same_model_are_one_lane() -> None:
    both = {"kind": "shared", "name": "somewhere"}
    settings = Settings.model_validate(
        {"models": {"a": both, "b": both}, "stages": {"entities": {"model": "a"}, "summary": {"model": "b"}}}
    )
    assert settings.lanes() == {"a": (ENTITIES, SUMMARY), DEFAULT_MODEL: (RELATIONS, CLASSIFICATION)}


def test_stages_of_one_model_share_its_pass() -> None:
    models = {DEFAULT_MODEL: oracle(), OTHER: oracle()}
    with lanes_of(settings_of({CLASSIFICATION: OTHER}), models) as pipeline:
        enrich(pipeline, "Anna met Bert.")
    assert [model.stages for model in models.values()] == [(ENTITIES, RELATIONS, SUMMARY), (CLASSIFICATION,)]
    assert [len(model.batches) for model in models.values()] == [1, 1]


@given(
    texts=st.lists(st.text(min_size=1, max_size=400).filter(lambda text: bool(text.strip())), min_size=1, max_size=4),
    moved=st.sets(st.sampled_from(StageName), min_size=1),
)
@laws(deadline=None, max_examples=30)
def test_equal_models_in_two_lanes_make_the_records_of_one(texts: list[str], moved: set[StageName]) -> None:
    small: dict[str, Any] = {"window": {"max_tokens": 16, "overlap_tokens": 4}}
    try:
        records = [incoming(payload(text)) for text in texts]
    except TypeError:  # a lone surrogate cannot be sent
        return
    with lanes_of(Settings.model_validate(small), {DEFAULT_MODEL: oracle()}) as pipeline:
        together = pipeline.enrich(records)
    with lanes_of(
        settings_of(dict.fromkeys(moved, OTHER), **small), {DEFAULT_MODEL: oracle(), OTHER: oracle()}
    ) as pipeline:
        apart = pipeline.enrich(records)
    for one, other in zip(together, apart, strict=True):
        assert isinstance(one, Enriched)
        assert isinstance(other, Enriched)
        assert one.document == other.document


def test_every_lane_cuts_the_text_its_own_way_and_says_so() -> None:
    settings = settings_of({SUMMARY: OTHER}, models={OTHER: {"window": {"max_tokens": 16, "overlap_tokens": 4}}})
    models = {DEFAULT_MODEL: oracle(), OTHER: oracle()}
    models[OTHER].info = replace(models[OTHER].info, name="other oracle", revision="1" * 64)
    with lanes_of(settings, models) as pipeline:
        [document] = enrich(pipeline, LONG)
    assert document.coverage[ENTITIES].segments == 1
    assert document.coverage[SUMMARY].segments > 5
    assert {coverage.characters_seen for coverage in document.coverage.values()} == {len(LONG)}
    assert {receipt.stage: receipt.model for receipt in document.receipts} == {
        ENTITIES: "oracle",
        RELATIONS: "oracle",
        CLASSIFICATION: "oracle",
        SUMMARY: "other oracle",
    }


def test_a_language_that_one_model_does_not_read_costs_its_stages_only() -> None:
    models = {DEFAULT_MODEL: oracle(), OTHER: oracle()}
    models[OTHER].info = replace(models[OTHER].info, languages=frozenset({"de"}))
    with lanes_of(settings_of({CLASSIFICATION: OTHER}, stages={"entities": {"min_score": 0}}), models) as pipeline:
        [document] = enrich(pipeline, "Anna met Bert.")
    assert document.entities
    assert document.classification is None
    warnings = [(w.code, w.stage) for w in document.warnings if w.stage is not SUMMARY]
    assert warnings == [("language_not_supported", CLASSIFICATION)]
    assert CLASSIFICATION not in {receipt.stage for receipt in document.receipts}
    assert document.coverage[CLASSIFICATION].characters_seen == 0


class Fearless(OracleModel):
    """Nothing poisons it."""

    def forward(self, batch: Sequence[Asked]) -> list[Window]:
        return [asked.window for asked in batch]


def test_a_window_that_fails_in_one_lane_costs_its_document_only_and_the_stage_is_named() -> None:
    models = {DEFAULT_MODEL: Fearless(info=oracle().info), OTHER: oracle()}
    with lanes_of(settings_of({CLASSIFICATION: OTHER}), models) as pipeline:
        texts = ["All is fine.", f"{POISON} is not.", "Neither is this."]
        outcomes = pipeline.enrich([incoming(payload(text, name=text), offset=n) for n, text in enumerate(texts)])
    assert [isinstance(outcome, Enriched) for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1], Failed)
    failure = outcomes[1].failure
    assert failure.detail.startswith("classification of model other: 1 of 1 windows failed")
    assert POISON not in failure.detail


def test_lanes_wait_at_the_same_time() -> None:
    """Both forward passes must be under way before either goes on."""
    barrier = threading.Barrier(2)

    def meet() -> None:
        barrier.wait(20)

    models = {DEFAULT_MODEL: oracle(), OTHER: oracle()}
    models[OTHER].info = replace(models[OTHER].info, device=None)  # runs elsewhere
    for model in models.values():
        model.before_forward = meet
    with lanes_of(settings_of({CLASSIFICATION: OTHER}), models) as pipeline:
        assert len(enrich(pipeline, "Anna met Bert.")) == 1


def test_models_of_one_device_take_turns() -> None:
    busy, clashes = threading.Lock(), []

    def alone() -> None:
        if not busy.acquire(blocking=False):
            clashes.append(1)
            return
        threading.Event().wait(0.002)
        busy.release()

    models = {name: oracle() for name in (DEFAULT_MODEL, OTHER, "third")}
    for model in models.values():
        model.before_forward = alone
    naming = {CLASSIFICATION: OTHER, SUMMARY: "third"}
    with lanes_of(settings_of(naming), models) as pipeline, ThreadPoolExecutor(4) as pool:
        epochs = [[f"Epoch {e} has text {n}." for n in range(8)] for e in range(12)]
        for found in pool.map(lambda texts: enrich(pipeline, *texts), epochs):
            assert len(found) == 8
    assert all(len(model.batches) > 3 for model in models.values())
    assert clashes == []


def test_a_lane_that_is_lost_ends_the_epoch_and_nobody_waits_for_ever() -> None:
    models = {DEFAULT_MODEL: oracle(), OTHER: oracle()}
    models[OTHER].broken = True
    with (
        lanes_of(settings_of({CLASSIFICATION: OTHER}), models) as pipeline,
        pytest.raises(DeviceLost, match="fails on every text"),
    ):
        pipeline.enrich([incoming(payload("Anna met Bert."))])


def test_lanes_share_no_results_in_the_cache() -> None:
    settings = Settings()
    window = Window("Anna", 0, ((0, 4),), OracleModel().tokenize(["Anna"])[0])
    info = oracle().info
    others = [info, replace(info, revision="1" * 64), replace(info, name="x"), replace(info, precision="bf16")]
    keys = [keys_of(Lane("lane", other, (ENTITIES,)), settings).of(window) for other in others]
    assert len(set(keys)) == len(others)


def test_a_cached_lane_and_one_that_is_not_make_the_same_record() -> None:
    settings = settings_of({CLASSIFICATION: OTHER}, cache={"kind": "memory"})
    models = {DEFAULT_MODEL: oracle(), OTHER: oracle()}
    with lanes_of(settings, models) as pipeline:
        first = enrich(pipeline, LONG)
        asked = [len(model.batches) for model in models.values()]
        again = enrich(pipeline, LONG)
    assert first == again
    assert [len(model.batches) for model in models.values()] == asked


def test_relations_of_another_model_join_entities_with_the_same_place() -> None:
    window = Window("Anna met Bert in Erfurt.", 10, ((0, 24),), OracleModel().tokenize(["Anna"])[0])
    published = [
        Entity(id=f"e{n}", type="person", text="", start=start, end=end, score=1.0)
        for n, (start, end) in enumerate([(10, 14), (19, 23)])
    ]
    found = (FoundEntity("PER", 0, 4, 0.9), FoundEntity("PER", 9, 13, 0.9), FoundEntity("LOC", 17, 23, 0.9))
    result = RelationsResult(found, (FoundRelation("knows", 0, 1, 0.9),))
    [adopted] = with_types_of(published, [window], [result])
    assert [entity.type for entity in adopted.entities] == ["person", "person", "LOC"]
    assert adopted.relations == result.relations


@dataclass
class Renaming(OracleModel):
    """Calls every entity a thing."""

    def _answer(self, window: Window) -> Any:
        answer = dict(answer_of(window.text, sentences=len(window.sentences)))
        relations = answer[RELATIONS]
        assert isinstance(relations, RelationsResult)
        renamed = tuple(replace(entity, type="thing") for entity in relations.entities)
        return {RELATIONS: replace(relations, entities=renamed)}


def test_relations_and_entities_can_come_from_models_that_name_types_differently() -> None:
    settings = settings_of({RELATIONS: OTHER}, stages={"entities": {"min_score": 0}, "relations": {"min_score": 0}})
    with lanes_of(settings, {DEFAULT_MODEL: oracle(), OTHER: Renaming(info=oracle().info)}) as pipeline:
        [document] = enrich(pipeline, "Anna met.")
    assert [(relation.head, relation.tail) for relation in document.relations] == [("e1", "e2")]
    assert "thing" not in {entity.type for entity in document.entities}
