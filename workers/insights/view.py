"""A record as the page shows it: the text in pieces, each with what lies on it. The page does no offset arithmetic.

Works on what others wrote: a span that does not fit the text is left out, and nothing here is markup.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

from schemas import DeadLetter, EnrichedDocument, OffsetUnit, Span

ToCodePoint = Callable[[int], int | None]  # an offset in the record's unit -> in code points, None if there is none


def enriched_view(document: EnrichedDocument) -> dict[str, Any]:
    """JSON values; the pieces' texts joined are the document's text."""
    view = document.model_dump(mode="json", exclude={"text", "origin", "coverage", "metadata"})
    view["kind"] = "enriched"
    view["pieces"] = pieces(document) if document.text is not None else None
    view["coverage"] = {
        stage.value: [seen.characters_seen, seen.characters] for stage, seen in document.coverage.items()
    }
    return view


def dead_view(letter: DeadLetter) -> dict[str, Any]:
    """The reason and where it came from; the payload only as size and digest, as `dead-letters show` has it."""
    view = letter.model_dump(mode="json", exclude={"payload": {"data"}, "headers": True, "key": True})
    return view | {"kind": "dead"}


def pieces(document: EnrichedDocument) -> list[dict[str, Any]]:
    """The text between all boundaries, with the ids of the entities on it and whether the summary quotes it."""
    text = document.text or ""
    convert = converter(text, document.offset_unit)
    entities = [(placed, entity.id) for entity in document.entities if (placed := place(entity, convert))]
    quoted = document.summary.sentences if document.summary else ()
    sentences = [placed for span in quoted if (placed := place(span, convert))]
    edges = {0, len(text)} | {edge for (start, end), _ in entities for edge in (start, end)}
    edges |= {edge for start, end in sentences for edge in (start, end)}
    return [
        {
            "text": text[start:end],
            "entities": [name for (first, last), name in entities if first <= start and end <= last],
            "summary": any(first <= start and end <= last for first, last in sentences),
        }
        for start, end in pairwise(sorted(edges))
    ]


def place(span: Span, convert: ToCodePoint) -> tuple[int, int] | None:
    start, end = convert(span.start), convert(span.end)
    return (start, end) if start is not None and end is not None and start < end else None


def converter(text: str, unit: OffsetUnit) -> ToCodePoint:
    """Offsets within a character, or outside of the text, have no code point."""
    if unit is OffsetUnit.CODE_POINT:
        return lambda offset: offset if offset <= len(text) else None
    width = utf_16_width if unit is OffsetUnit.UTF_16 else utf_8_width
    units: Sequence[int] = list(accumulate((width(char) for char in text), initial=0))
    by_unit = {offset: number for number, offset in enumerate(units)}
    return by_unit.get


def utf_16_width(char: str) -> int:
    return 2 if ord(char) > 0xFFFF else 1


def utf_8_width(char: str) -> int:
    point = ord(char)
    return 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4
