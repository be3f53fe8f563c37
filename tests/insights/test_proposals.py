"""What is proposed is news: not what stands, was refused or is in force; and what no longer holds is taken back."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from schemas import Calibration, CalibrationState, Correction, HeadCalibration, Origin, StageName, Verdict
from schemas.calibration import calibrated
from workers.insights.proposals import PREFIX, Proposals, fit_all
from workers.insights.verdicts import Verdicts
from workers.settings import CalibrationSettings

MODEL = ("default", "ab" * 6)
WANTED = CalibrationSettings(min_judged=100, min_type_judged=50)


def heads(threshold: float) -> dict[StageName, HeadCalibration]:
    head = HeadCalibration(thresholds={"ORG": threshold}, judged=100, log_loss_before=0.6, log_loss_after=0.6)
    return {StageName.ENTITIES: head}


def say(proposals: Proposals, told: Calibration, state: CalibrationState) -> Calibration:
    """As if it had been read from the topic."""
    said = told.model_copy(update={"state": state})
    proposals.receive(said.key, said.model_dump_json().encode())
    return said


def proposed(proposals: Proposals, threshold: float = 0.7) -> Calibration | None:
    news = proposals.news({MODEL: heads(threshold)}, at_s=1_800_000_000.0)
    return next(iter(news.values()), None)


def test_a_proposal_is_made_once_and_a_refused_or_accepted_one_is_not_made_again() -> None:
    proposals = Proposals()
    first = proposed(proposals)
    assert first is not None
    assert (first.state, first.key) == (CalibrationState.PROPOSED, "default@abababababab/proposed")
    for state in CalibrationState:
        say(proposals, first, state)
        assert proposed(proposals) is None
        assert proposed(proposals, 0.715) is None  # nor one that is hardly another
    other = proposed(proposals, 0.8)
    assert other is not None
    assert other.id != first.id


def test_one_that_the_verdicts_no_longer_bear_out_is_taken_back_and_one_in_force_is_not() -> None:
    proposals = Proposals()
    first = proposed(proposals)
    assert first is not None
    say(proposals, first, CalibrationState.PROPOSED)
    in_force = say(proposals, first, CalibrationState.ACCEPTED)
    assert proposals.news({MODEL: {}}, at_s=0.0) == {first.key: None}
    proposals.receive(first.key, None)
    assert proposals.all() == [in_force]
    assert proposals.news({MODEL: {}}, at_s=0.0) == {}


def test_a_restart_knows_what_was_said() -> None:
    proposals = Proposals()
    first = proposed(proposals)
    assert first is not None
    say(proposals, first, CalibrationState.REFUSED)
    proposals.receive("x", b"{}")
    proposals.receive("x", first.model_dump_json().encode())  # not its key
    kept = {key: value for key, value in proposals.changes().items() if value is not None}
    assert list(kept) == [PREFIX + first.key]
    again = Proposals()
    again.load(kept)
    assert proposed(again) is None


def test_verdicts_on_calibrated_scores_and_on_the_models_own_are_one_scale() -> None:
    """Of two halves of one kind of verdicts, one was given on records under a calibration."""
    rng = random.Random(1)
    verdicts = Verdicts(1_000)
    for number in range(600):
        own, temperature = rng.uniform(0.5, 0.99), 2.0 if number % 2 else 1.0
        verdict = Verdict.RIGHT if own > 0.75 else Verdict.WRONG
        verdicts.receive(
            Correction(
                origin=Origin(topic="documents", partition=0, offset=number),
                document_id="d",
                stage=StageName.ENTITIES,
                item="e1",
                verdict=verdict,
                given="ORG",
                score=calibrated(own, temperature),
                temperature=temperature,
                model="default",
                revision="ab" * 32,
                at=datetime(2026, 1, 1, tzinfo=UTC),
            )
            .model_dump_json()
            .encode()
        )
    found = fit_all(verdicts.scored(), WANTED)[MODEL][StageName.ENTITIES]
    assert abs(found.thresholds["ORG"] - calibrated(0.75, found.temperature)) < 0.01
    assert found.types["ORG"].precision_after > 0.98
