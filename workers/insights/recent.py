"""The newest records, for the feed and the search: bounded in number and in bytes, gone after a restart."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas import DeadLetter, EnrichedDocument
from workers.insights.view import dead_view, enriched_view

SNIPPET_CHARACTERS = 160
OVERHEAD = 4  # a parsed record takes about so many times the bytes it came in


@dataclass(frozen=True, slots=True)
class Recent:
    """A record and where it lies: `topic/partition/offset` of the output record."""

    sequence: int
    position: str
    time_s: float
    content: EnrichedDocument | DeadLetter
    size_bytes: int
    sentinel: bool = False

    def brief(self) -> dict[str, Any]:
        """One line of the feed, as JSON values."""
        shown: dict[str, Any] = {"position": self.position, "time": self.time_s, "id": self.content.id}
        if isinstance(self.content, DeadLetter):
            code = f"{self.content.stage.value}/{self.content.code}"
            return shown | {"kind": "dead", "note": code, "snippet": self.content.detail[:SNIPPET_CHARACTERS]}
        labels = self.content.classification.labels if self.content.classification else ()
        text = self.content.title or (self.content.text or "")[:SNIPPET_CHARACTERS]
        return shown | {
            "kind": "sentinel" if self.sentinel else "enriched",
            "note": labels[0].name if labels else "",
            "snippet": text,
            "entities": len(self.content.entities),
            "relations": len(self.content.relations),
        }

    def view(self) -> dict[str, Any]:
        view = dead_view(self.content) if isinstance(self.content, DeadLetter) else enriched_view(self.content)
        return view | {"position": self.position, "time": self.time_s}

    def matches(self, query: str) -> bool:
        """Whether the case-folded query is in the id, the reason, or the text, a label or an entity."""
        content = self.content
        if isinstance(content, DeadLetter):
            fields = [content.id or "", content.code, content.stage.value, content.detail]
        else:
            labels = content.classification.labels if content.classification else ()
            fields = [content.id, content.title or "", content.text or "", *(label.name for label in labels)]
            fields += [f"{entity.type} {entity.text}" for entity in content.entities]
        return any(query in field.casefold() for field in fields)


class RecentRecords:
    """A ring: the oldest goes when there are too many, or too many bytes."""

    def __init__(self, *, limit: int, limit_bytes: int) -> None:
        self._limit, self._limit_bytes = limit, limit_bytes
        self._ring: deque[Recent] = deque()
        self._bytes = 0
        self.sequence = 0

    def add(
        self,
        position: str,
        time_s: float,
        content: EnrichedDocument | DeadLetter,
        size_bytes: int,
        *,
        sentinel: bool = False,
    ) -> None:
        self.sequence += 1
        self._ring.append(Recent(self.sequence, position, time_s, content, size_bytes, sentinel))
        self._bytes += size_bytes * OVERHEAD
        while len(self._ring) > self._limit or (self._bytes > self._limit_bytes and len(self._ring) > 1):
            self._bytes -= self._ring.popleft().size_bytes * OVERHEAD

    def newest(self, limit: int, *, after: int = 0) -> list[Recent]:
        """At most `limit` that came after the one with that sequence number, newest first."""
        found: list[Recent] = []
        for record in reversed(self._ring):
            if record.sequence <= after or len(found) == limit:
                break
            found.append(record)
        return found

    def search(self, query: str, limit: int) -> Iterator[Recent]:
        """Newest first; an empty query finds all."""
        folded, left = query.casefold().strip(), limit
        for record in reversed(self._ring):
            if left and record.matches(folded):
                left -= 1
                yield record

    def at(self, position: str) -> Recent | None:
        return next((record for record in reversed(self._ring) if record.position == position), None)

    def __len__(self) -> int:
        return len(self._ring)
