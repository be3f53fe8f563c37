"""Small data sets in each form that `enrich evaluate` reads, in the names of the tiny model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

NAMES = ["Ada", "Alan", "Grace", "Linus"]
PLACES = ["Rome", "Paris", "Oslo"]


def write_sets(folder: Path) -> dict[str, Path]:
    """Paths by form. The texts are long enough for several windows of 32 tokens."""
    tagged = [
        {"tokens": [name, "was", "in", place, "."] * 4, "tags": ["B-person", "O", "O", "B-LOC", "O"] * 4}
        for name in NAMES
        for place in PLACES
    ]
    related = [
        {
            "id": f"{name}-{place}",
            "tokens": [name, "lives", "in", place, ".", "It", "is", "far", "away", "."] * 6,
            "entities": [
                {"start": 10 * part + at, "end": 10 * part + at + 1, "type": kind, "cluster": at}
                for part in range(6)
                for at, kind in ((0, "PER"), (3, "LOC"))
            ],
            "relations": [{"head": 0, "tail": 1, "type": "residence"}, {"head": 0, "tail": 1, "type": "no such"}],
        }
        for name in NAMES
        for place in PLACES
    ]
    topics = [
        {"text": f"{text} {number}", "label": label}
        for number in range(4)
        for text, label in (("The team won the match", "sport"), ("Shares fell", "business"), ("What is love", "oos"))
    ]
    summaries = [
        {"text": "First comes this sentence. Then there is one more here. At last it ends.", "summary": "It ends."},
        {"text": "Only one sentence stands here.", "references": ["One sentence.", "Nothing of the kind."]},
    ] * 2
    sets: dict[str, Sequence[object]] = {"tagged": tagged, "related": related, "topics": topics, "summaries": summaries}
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, rows in sets.items():
        paths[name] = folder / f"{name}.jsonl"
        paths[name].write_bytes(b"\n".join(orjson.dumps(row) for row in rows) + b"\n")
    return paths
