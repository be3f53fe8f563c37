"""Offsets in other units: the encoded text, sliced at converted offsets, is the encoded slice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import OffsetUnit
from workers.text.offsets import convert_spans, tabulate_offsets

WIDTH = {OffsetUnit.CODE_POINT: ("utf-32-le", 4), OffsetUnit.UTF_16: ("utf-16-le", 2), OffsetUnit.UTF_8: ("utf-8", 1)}
texts = st.text(st.characters() | st.sampled_from("aé€漢😀\u0301"), max_size=80)
units = st.sampled_from(list(OffsetUnit))


@given(texts, units, st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), max_size=5))
def test_slices_of_the_encoded_text_are_the_encoded_slices(
    text: str, unit: OffsetUnit, wanted: list[tuple[int, int]]
) -> None:
    spans = [(min(a, b, len(text)), min(max(a, b), len(text))) for a, b in wanted]
    codec, width = WIDTH[unit]
    encoded = text.encode(codec, "surrogatepass")
    for (start, end), (a, b) in zip(spans, convert_spans(text, spans, unit=unit), strict=True):
        assert encoded[a * width : b * width] == text[start:end].encode(codec, "surrogatepass")


@given(texts, units)
def test_single_offsets_convert_as_spans_do(text: str, unit: OffsetUnit) -> None:
    table = tabulate_offsets(text, unit)
    assert [table.convert(offset) for offset in range(len(text) + 1)] == [
        start for start, _ in table.convert_spans([(offset, len(text)) for offset in range(len(text) + 1)])
    ]


@pytest.mark.parametrize(("unit", "end"), [(OffsetUnit.CODE_POINT, 4), (OffsetUnit.UTF_16, 5), (OffsetUnit.UTF_8, 10)])
def test_the_end_counts_every_unit_of_the_text(unit: OffsetUnit, end: int) -> None:
    assert convert_spans("aé€😀", [(0, 4)], unit=unit) == [(0, end)]


@pytest.mark.parametrize(("text", "unit"), [("abc", OffsetUnit.UTF_8), ("aé漢", OffsetUnit.UTF_16)])
def test_texts_whose_offsets_do_not_change_cost_no_table(text: str, unit: OffsetUnit) -> None:
    assert tabulate_offsets(text, unit).starts is None


def test_an_offset_beyond_the_text_is_an_error() -> None:
    with pytest.raises(IndexError):
        tabulate_offsets("é", OffsetUnit.UTF_8).convert(3)
