"""Tags and spans are two spellings of one thing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workers.text.bio import TaggedSpans, spans_of, tag_count, tags_of

TYPES = 3
tag_lists = st.lists(st.integers(0, tag_count(TYPES) - 1), max_size=40)


@st.composite
def placed_spans(draw: st.DrawFn) -> tuple[TaggedSpans, int]:
    """Spans that do not overlap but may touch, and the number of words."""
    lengths = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(0, TYPES - 1)), max_size=8))
    starts, ends, types, position = [], [], [], 0
    for gap, length, kind in lengths:
        starts.append(position + gap)
        position += gap + length
        ends.append(position)
        types.append(kind)
    arrays = [np.array(values, dtype=np.int64) for values in (starts, ends, types)]
    return TaggedSpans(*arrays), position + draw(st.integers(0, 3))


def spelled(spans: TaggedSpans) -> list[tuple[int, int, int]]:
    return list(zip(spans.starts.tolist(), spans.ends.tolist(), spans.types.tolist(), strict=True))


def spans_by_hand(tags: list[int], row_starts: list[int]) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    for position, tag in enumerate(tags):
        if tag == 0:
            continue
        kind, inside = (tag - 1) // 2, tag % 2 == 0
        touches = bool(found) and found[-1][1] == position and found[-1][2] == kind and position not in row_starts
        if inside and touches:
            found[-1] = (found[-1][0], position + 1, kind)
        else:
            found.append((position, position + 1, kind))
    return found


@given(placed_spans())
def test_spans_survive_being_spelled_as_tags(case: tuple[TaggedSpans, int]) -> None:
    spans, words = case
    assert spelled(spans_of(tags_of(spans, words))) == spelled(spans)


@given(tags=tag_lists, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_any_tags_are_read_as_the_plain_loop_reads_them(tags: list[int], cuts: list[int]) -> None:
    rows = sorted({0, *cuts})
    assert spelled(spans_of(tags, rows)) == spans_by_hand(tags, rows)


@given(st.lists(tag_lists, min_size=1, max_size=4))
def test_rows_laid_end_to_end_are_read_as_each_alone(rows: list[list[int]]) -> None:
    offsets = np.cumsum([0, *(len(row) for row in rows)])
    alone = [
        (start + offset, end + offset, kind)
        for row, offset in zip(rows, offsets.tolist(), strict=False)
        for start, end, kind in spelled(spans_of(row))
    ]
    assert spelled(spans_of([tag for row in rows for tag in row], offsets[:-1])) == alone
