"""A calibration takes effect between epochs, is named by the receipts, only takes away, and leaves the cache right."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Calibration, CalibrationState, EnrichedDocument, HeadCalibration, StageName
from tests.fakes.models import answer_of, window_of
from tests.fakes.pipelines import incoming, oracle, oracle_pipeline, payload
from workers.enrich.calibrations import CalibrationsInForce
from workers.enrich.outcome import Enriched
from workers.enrich.pipeline import Pipeline
from workers.settings import CacheSettings, ClassificationSettings, Settings, StageSettings
from workers.stages.classification import merge_classification
from workers.stages.entities import merge_entities
from workers.stages.rescaling import Rescaling
from workers.stages.results import ClassificationResult, EntitiesResult, FoundEntity

SETTINGS = Settings(
    cache=CacheSettings(kind="memory"), stages=StageSettings(classification=ClassificationSettings(min_score=0.0))
)


def first_entity(text: str) -> FoundEntity:
    result = answer_of(text)[StageName.ENTITIES]
    assert isinstance(result, EntitiesResult)
    return result.entities[0]


TEXT = next(text for n in range(999) if 0.6 < first_entity(text := f"Ada met Bob {n}.").score < 0.9)
FOUND = first_entity(TEXT)


def calibration(
    name: str = "one",
    *,
    temperature: float = 1.0,
    above: float = 0.0,
    model: str = "oracle",
    revision: str = "0" * 12,
    state: CalibrationState = CalibrationState.ACCEPTED,
) -> Calibration:
    head = HeadCalibration(
        temperature=temperature, thresholds={FOUND.type: above}, judged=99, log_loss_before=1, log_loss_after=1
    )
    plain = HeadCalibration(temperature=temperature, judged=99, log_loss_before=1, log_loss_after=1)
    stages = {StageName.ENTITIES: head, StageName.RELATIONS: plain, StageName.CLASSIFICATION: plain}
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Calibration(id=name, state=state, model=model, revision=revision, heads=stages, at=at)


def enrich(pipeline: Pipeline) -> EnrichedDocument:
    outcome = pipeline.enrich([incoming(payload(TEXT))])[0]
    assert isinstance(outcome, Enriched)
    return outcome.document


def test_the_next_epoch_is_under_it_and_the_receipts_say_so() -> None:
    in_force = [calibration("first", above=0.99)]
    with oracle_pipeline(settings=SETTINGS, calibrations=lambda: in_force) as pipeline:
        assert enrich(pipeline).entities == ()
        in_force[:] = [calibration("second", above=0.55, temperature=2.0)]
        found = enrich(pipeline)
        in_force.clear()
        plain = enrich(pipeline)
    assert [entity.score for entity in plain.entities] == [FOUND.score] * 2
    assert all(0.5 < entity.score < FOUND.score for entity in found.entities)
    assert len(found.entities) == 2
    assert found.classification is not None
    assert plain.classification is not None
    assert found.classification.labels[0].name == plain.classification.labels[0].name
    named = {receipt.stage: receipt.calibration for receipt in found.receipts}
    assert named[StageName.SUMMARY] is None
    told = named[StageName.ENTITIES]
    assert told is not None
    assert (told.id, told.temperature, told.thresholds) == ("second", 2.0, {FOUND.type: 0.55})
    assert all(receipt.calibration is None for receipt in plain.receipts)


def test_a_warm_cache_gives_the_bytes_of_a_cold_one_under_every_calibration() -> None:
    """What the cache holds was found before any threshold, so its keys need not name the calibration."""
    states = [[], [calibration("a", above=0.95)], [calibration("b", temperature=3.0)], [calibration("c", above=0.1)]]
    current: list[Calibration] = []
    warm_model = oracle()
    with oracle_pipeline(warm_model, SETTINGS, lambda: current) as warm:
        for state in [*states, *reversed(states)]:
            current[:] = state
            with oracle_pipeline(oracle(), SETTINGS, lambda: current) as cold:
                assert enrich(warm).model_dump_json() == enrich(cold).model_dump_json()
    assert len(warm_model.batches) == 1


@pytest.mark.parametrize("other", [calibration(model="another"), calibration(revision="1" * 12)])
def test_one_for_another_model_or_revision_changes_nothing(other: Calibration) -> None:
    with oracle_pipeline(settings=SETTINGS, calibrations=lambda: [other]) as pipeline:
        assert all(receipt.calibration is None for receipt in enrich(pipeline).receipts)


def test_only_accepted_ones_under_their_own_key_are_in_force() -> None:
    in_force, good = CalibrationsInForce(), calibration()
    waiting = calibration(state=CalibrationState.PROPOSED)
    hot = {**orjson.loads(good.model_dump_json()), "heads": {"entities": {"temperature": 99}}}
    in_force.replace(
        {
            good.key.encode(): good.model_dump_json().encode(),
            waiting.key.encode(): waiting.model_dump_json().encode(),
            b"another/accepted": good.model_dump_json().encode(),
            b"x": b"\xff",
            b"y": orjson.dumps(hot),
        }
    )
    assert in_force() == (good,)
    in_force.replace({})
    assert in_force() == ()


rescalings = st.builds(Rescaling, st.floats(0.25, 4.0), st.dictionaries(st.sampled_from("abc"), st.floats(0, 0.99)))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1)), max_size=12), rescalings, st.none() | st.floats(0, 1)
)
def test_entities_can_only_be_taken_away(
    found: list[tuple[str, float]], rescaling: Rescaling, min_score: float | None
) -> None:
    text = "x " * len(found)
    window = window_of(text)
    result = EntitiesResult(tuple(FoundEntity(k, 2 * n, 2 * n + 1, round(s, 4)) for n, (k, s) in enumerate(found)))

    def merged(with_it: Rescaling | None) -> dict[tuple[int, str], float]:
        entities = merge_entities(
            [window], [result], thresholds={"a": 0.3, "b": 0.7}, min_score=min_score, rescaling=with_it
        )
        return {(entity.start, entity.type): entity.score for entity in entities}

    before, after = merged(None), merged(rescaling)
    assert after.keys() <= before.keys()
    for (_, kind), score in after.items():
        assert score >= max(rescaling.thresholds.get(kind, 0.0), min_score or 0.0)


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3), rescalings, st.floats(0, 1), st.booleans(), st.booleans())
def test_labels_can_only_be_taken_away(
    scores: list[float], rescaling: Rescaling, min_score: float, multi_label: bool, independent: bool
) -> None:
    def given_labels(with_it: Rescaling | None) -> list[str]:
        merged = merge_classification(
            tuple("abc"),
            [ClassificationResult(tuple(scores), 5)],
            temperature=0.2,
            min_score=min_score,
            multi_label=multi_label,
            independent=independent,
            rescaling=with_it,
        )
        assert [c.score for c in merged.candidates] == sorted((c.score for c in merged.candidates), reverse=True)
        assert merged.abstained == (not merged.labels)
        return [label.name for label in merged.labels]

    assert set(given_labels(rescaling)) <= set(given_labels(None))
