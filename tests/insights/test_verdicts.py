"""The last verdict on an item counts, however often it is delivered; precision comes with its interval."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas import Correction, Origin, StageName, Verdict
from workers.insights.verdicts import Precision, Verdicts


def correction(item: int, verdict: Verdict, given: str = "LOC") -> bytes:
    return (
        Correction(
            origin=Origin(topic="documents", partition=0, offset=item),
            document_id="d",
            stage=StageName.ENTITIES,
            item="e1",
            verdict=verdict,
            given=given,
            model="default",
            revision="ab" * 32,
            at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        .model_dump_json()
        .encode()
    )


def rows(verdicts: Verdicts) -> list[tuple[str, int, int]]:
    return [(row.given, row.right, row.judged) for row in verdicts.precision()]


def test_the_last_verdict_counts_and_a_second_delivery_changes_nothing() -> None:
    verdicts = Verdicts(10)
    for _ in range(2):
        for value in (correction(1, Verdict.RIGHT), correction(2, Verdict.RIGHT), correction(1, Verdict.WRONG)):
            verdicts.receive(value)
        assert rows(verdicts) == [("LOC", 1, 2)]


def test_what_is_no_correction_is_counted_and_changes_nothing() -> None:
    verdicts = Verdicts(10)
    for value in (None, b"", b"{}", b"\xff"):
        assert verdicts.receive(value) is None
    assert (verdicts.invalid, len(verdicts), dict(verdicts.changes())) == (4, 0, {})


def test_the_newest_are_remembered_and_a_restart_knows_the_same() -> None:
    verdicts = Verdicts(3)
    table: dict[str, dict[str, object] | None] = {}
    for item in range(8):
        verdicts.receive(correction(item, Verdict.RIGHT if item % 2 else Verdict.WRONG))
        table |= verdicts.changes()
    assert rows(verdicts) == [("LOC", 2, 3)]
    kept = {key: value for key, value in table.items() if value is not None}
    assert len(kept) == 3
    again = Verdicts(3)
    again.load(kept)
    assert again.precision() == verdicts.precision()


@pytest.mark.parametrize(
    ("right", "judged", "low", "high"), [(3, 3, 0.4385, 1.0), (0, 5, 0.0, 0.4345), (50, 100, 0.4038, 0.5962)]
)
def test_wilsons_interval(right: int, judged: int, low: float, high: float) -> None:
    assert Precision("entities", "m", "r", "LOC", right, judged).interval == pytest.approx((low, high), abs=1e-3)
