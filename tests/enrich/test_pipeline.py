"""The pipeline from records to outcomes, over a model whose answers can be told from the text."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import Document, EnrichedDocument, StageName
from tests.fakes.models import MARKS, answer_of
from tests.fakes.pipelines import incoming, oracle, oracle_pipeline, payload
from workers.batching.answers import AnswerBatch, BatcherStats
from workers.enrich.answers import Batches
from workers.enrich.outcome import Enriched, Failed, Failure, Outcome, Tombstone
from workers.enrich.reading import Accepted, Cut, Reading
from workers.settings import DEFAULT_MODEL, CacheSettings, Settings, StageSettings, WindowSettings
from workers.stages.results import EntitiesResult, FoundEntity
from workers.text.pieces import TextTokens, Window

SMALL_WINDOWS = Settings(window=WindowSettings(max_tokens=16, overlap_tokens=4))
# Room for several sentences, or there is no choice of where to cut and an edit shifts every window behind it.
MEMORY_CACHE = Settings(cache=CacheSettings(kind="memory"), window=WindowSettings(max_tokens=64, overlap_tokens=8))


def test_every_record_has_its_own_outcome_in_order() -> None:
    values = [payload("Anna met Bert.", name="a"), b"no json", None, payload("Carla left.", name="c")]
    with oracle_pipeline() as pipeline:
        outcomes = pipeline.enrich([incoming(value, offset=n) for n, value in enumerate(values)])
    assert [type(outcome) for outcome in outcomes] == [Enriched, Failed, Tombstone, Enriched]
    assert [outcome.record.offset for outcome in outcomes] == [0, 1, 2, 3]


def test_a_document_gets_the_answer_to_its_own_text() -> None:
    texts = [f"Word{n} stands alone here." for n in range(100)]
    random.Random(1).shuffle(texts)
    with oracle_pipeline() as pipeline:
        outcomes = pipeline.enrich([incoming(payload(text, name=text)) for text in texts])
    for outcome, text in zip(outcomes, texts, strict=True):
        assert isinstance(outcome, Enriched)
        expected = answer_of(text, stages=[StageName.ENTITIES])[StageName.ENTITIES]
        wanted = [(e.start, e.end, e.type) for e in expected.entities if e.score >= 0.5]  # type: ignore[union-attr]
        assert [(e.start, e.end, e.type) for e in outcome.document.entities] == wanted


def test_the_documents_of_an_epoch_are_as_urgent_as_the_oldest() -> None:
    told: list[int | None] = []

    @dataclass(frozen=True)
    class Listening:
        """Passes questions on to a batcher and notes how urgent they were."""

        behind: Batches

        def answer(self, windows: Sequence[Window], *, made_ms: int | None = None) -> AnswerBatch:
            told.append(made_ms)
            return self.behind.answer(windows, made_ms=made_ms)

        def require_answering(self) -> None:
            self.behind.require_answering()

        def stats(self) -> BatcherStats:
            return self.behind.stats()

    records = [incoming(payload(f"Anna met Bert {n}.")) for n in range(3)]
    with oracle_pipeline() as pipeline:
        answers = {name: replace(own, batcher=Listening(own.batcher)) for name, own in pipeline.answers.items()}
        listening = replace(pipeline, answers=answers)
        listening.enrich([replace(records[0], timestamp_ms=at) for at in (7_000, 5_000, 6_000)])
        listening.enrich([replace(records[1], timestamp_ms=None), replace(records[2], timestamp_ms=9_000)])
    assert told == [5_000, 9_000]


@given(text=st.text(min_size=1, max_size=600).filter(lambda text: bool(text.strip())))
@settings(deadline=None, max_examples=60)
def test_spans_quote_the_text_whatever_it_is(text: str) -> None:
    try:
        value = payload(text)
    except TypeError:  # a lone surrogate cannot be sent
        return
    with oracle_pipeline(settings=SMALL_WINDOWS) as pipeline:
        [outcome] = pipeline.enrich([incoming(value)])
    assert isinstance(outcome, Enriched)
    document = outcome.document
    assert all(text[e.start : e.end] == e.text for e in document.entities)
    for coverage in document.coverage.values():
        assert coverage.characters_seen == coverage.characters == len(text) or not coverage.segments


@pytest.mark.parametrize("wrong", [{"start": 3}, {"text": "Anna met Bert"}], ids=["misplaced", "too short"])
def test_a_span_that_does_not_quote_the_document_is_never_published(wrong: dict[str, Any]) -> None:
    chosen = Settings.model_validate({"stages": {"entities": {"min_score": 0}}})
    model = oracle()
    with oracle_pipeline(model, chosen) as pipeline:
        [reading] = pipeline.reader.read(
            [Accepted(incoming(b""), Document(id="d", text="Anna met Bert Brecht.", language="en"))]
        )
        assert isinstance(reading, Reading)
        answer = answer_of("Anna met Bert Brecht.")
        found = EntitiesResult((FoundEntity("PER", 9, 20, 0.9),))
        answer = {**answer, StageName.ENTITIES: found}
        assert isinstance(pipeline.assembler.assemble(reading, {DEFAULT_MODEL: [answer]}), EnrichedDocument)
        [window] = reading.cuts[DEFAULT_MODEL].windows
        damaged = replace(reading, cuts={DEFAULT_MODEL: Cut((replace(window, **wrong),))})
        failure = pipeline.assembler.assemble(damaged, {DEFAULT_MODEL: [answer]})
    assert isinstance(failure, Failure)
    assert failure.code == "span_mismatch"


@pytest.mark.parametrize("mark", MARKS)
def test_one_text_that_breaks_the_model_hurts_no_other(mark: str) -> None:
    values = [payload(f"Text number {n} is fine.", name=str(n)) for n in range(9)]
    values[4] = payload(f"This one is {mark} to the model.", name="guilty")
    with oracle_pipeline() as pipeline:
        outcomes = pipeline.enrich([incoming(value) for value in values])
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert [outcome.failure.document_id for outcome in failed] == ["guilty"]
    assert failed[0].failure.step.value == "model"
    assert mark not in failed[0].failure.detail
    assert sum(isinstance(outcome, Enriched) for outcome in outcomes) == 8


def enrich_text(text: str, chosen: Settings, language: str | None = "en") -> EnrichedDocument:
    with oracle_pipeline(settings=chosen) as pipeline:
        [outcome] = pipeline.enrich([incoming(payload(text, language=language))])
    assert isinstance(outcome, Enriched)
    return outcome.document


def test_a_language_the_model_does_not_know_is_said_and_not_guessed_at() -> None:
    model = oracle()
    with oracle_pipeline(model) as pipeline:
        [outcome] = pipeline.enrich([incoming(payload("Der Zug hält heute nicht in Erfurt.", language="de"))])
    assert isinstance(outcome, Enriched)
    document = outcome.document
    assert model.batches == []
    assert (document.entities, document.classification, document.summary) == ((), None, None)
    assert [w.stage for w in document.warnings if w.code == "language_not_supported"] == list(StageName)
    assert {c.characters_seen for c in document.coverage.values()} == {0}
    assert document.receipts == ()


def test_a_text_in_several_windows_is_covered_to_the_last_character() -> None:
    text = " ".join(f"Sentence number {n} says a little." for n in range(40))
    document = enrich_text(text, SMALL_WINDOWS)
    coverage = document.coverage[StageName.ENTITIES]
    assert coverage.segments > 5
    assert coverage.characters_seen == coverage.characters == len(text)


def test_a_stage_that_is_switched_off_leaves_no_trace() -> None:
    off = Settings(stages=StageSettings.model_validate({"summary": {"enabled": False}}))
    document = enrich_text("One. Two. Three. Four. Five.", off)
    assert document.summary is None
    assert StageName.SUMMARY not in document.coverage
    assert StageName.SUMMARY not in {receipt.stage for receipt in document.receipts}


def test_a_second_reading_comes_from_the_cache_and_is_the_same_record() -> None:
    text = " ".join(f"Sentence number {n} says a little." for n in range(40))
    model = oracle()
    with oracle_pipeline(model, MEMORY_CACHE) as pipeline:
        [first] = pipeline.enrich([incoming(payload(text))])
        asked = len(model.batches)
        [second] = pipeline.enrich([incoming(payload(text))])
    assert isinstance(first, Enriched)
    assert isinstance(second, Enriched)
    assert first.document == second.document
    assert (first.run.cache_hits, second.run.cache_hits) == (0, second.run.cache_lookups)
    assert len(model.batches) == asked


def test_an_edited_document_computes_only_what_changed() -> None:
    sentences = [f"Sentence number {n} says a little." for n in range(600)]
    with oracle_pipeline(settings=MEMORY_CACHE) as pipeline:
        pipeline.enrich([incoming(payload(" ".join(sentences)))])
        sentences.insert(3, "Something new stands here now.")
        [edited] = pipeline.enrich([incoming(payload(" ".join(sentences)))])
    assert isinstance(edited, Enriched)
    assert edited.run.cache_hits > 0.8 * edited.run.cache_lookups


def test_equal_texts_in_one_epoch_are_computed_once() -> None:
    model = oracle()
    with oracle_pipeline(model) as pipeline:
        outcomes = pipeline.enrich([incoming(payload("The same text.", name=str(n))) for n in range(20)])
    assert sum(len(batch) for batch in model.batches) == 1
    assert len({outcome.document.entities for outcome in outcomes if isinstance(outcome, Enriched)}) == 1


def test_offsets_can_be_asked_for_in_utf_16() -> None:
    text = "😀 Anna met Bert."
    chosen = Settings.model_validate({"output": {"offset_unit": "utf_16"}, "stages": {"entities": {"min_score": 0}}})
    document = enrich_text(text, chosen)
    units = text.encode("utf-16-le")
    assert document.entities
    for entity in document.entities:
        assert units[2 * entity.start : 2 * entity.end].decode("utf-16-le") == entity.text


def test_one_epoch_at_a_time_is_read_though_several_are_answered() -> None:
    model, reading, most = oracle(), 0, 0
    cut = model.tokenize
    together = Barrier(3)

    def tokenize(texts: Sequence[str]) -> list[TextTokens]:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        time.sleep(0.02)
        reading -= 1
        return cut(texts)

    model.tokenize = tokenize  # type: ignore[method-assign]

    def enrich(n: int) -> list[Outcome]:
        together.wait(60)
        return pipeline.enrich([incoming(payload(f"Text number {n}."))])

    with oracle_pipeline(model) as pipeline, ThreadPoolExecutor(3) as pool:
        assert all(isinstance(one, Enriched) for found in pool.map(enrich, range(3)) for one in found)
    assert most == 1
