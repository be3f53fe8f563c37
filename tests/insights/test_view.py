"""A record in pieces: joined they are the text, and each name is whole, in whatever unit its offsets count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Entity, OffsetUnit, Span, Summary
from tests.fakes.enriched_records import enriched
from workers.insights.view import pieces

WIDTHS = {OffsetUnit.CODE_POINT: ("utf-32-le", 4), OffsetUnit.UTF_16: ("utf-16-le", 2), OffsetUnit.UTF_8: ("utf-8", 1)}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.mark.parametrize("unit", OffsetUnit)
@given(text=TEXTS, cuts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6))
def test_pieces_join_to_the_text_and_to_each_span(unit: OffsetUnit, text: str, cuts: list[tuple[int, int]]) -> None:
    encoding, width = WIDTHS[unit]

    def count(characters: int) -> int:
        return len(text[:characters].encode(encoding)) // width

    spans = [(min(cut), max(cut)) for cut in cuts if min(cut) < max(cut) <= len(text)]
    entities = tuple(
        Entity(id=f"e{n}", type="PER", text=text[first:last], start=count(first), end=count(last), score=1)
        for n, (first, last) in enumerate(spans)
    )
    document = enriched(text=text).model_copy(
        update={"entities": entities, "offset_unit": unit, "summary": None, "relations": ()}
    )
    cut = pieces(document)
    assert "".join(piece["text"] for piece in cut) == text
    for entity in entities:
        assert "".join(piece["text"] for piece in cut if entity.id in piece["entities"]) == entity.text


@given(text=TEXTS, start=st.integers(0, 500), end=st.integers(0, 500), unit=st.sampled_from(OffsetUnit))
def test_spans_that_do_not_fit_are_left_out(text: str, start: int, end: int, unit: OffsetUnit) -> None:
    span = Summary(text="?", kind="extractive", sentences=(Span(start=start, end=end),))
    entity = Entity(id="e1", type="PER", text="?", start=end, end=start, score=1)
    document = enriched(text=text).model_copy(
        update={"entities": (entity,), "summary": span, "offset_unit": unit, "relations": ()}
    )
    assert "".join(piece["text"] for piece in pieces(document)) == text
