"""A folder of data sets in the formats that training reads, made of sentences a child could label."""

from __future__ import annotations

import random
from pathlib import Path

import orjson

from workers.lifecycle.recipe import TRAINING

PEOPLE = ["Ada", "Alan", "Grace", "Linus", "Barbara", "Donald"]
PLACES = ["Rome", "Paris", "London", "Vienna", "Oslo", "Madrid"]


def born(rng: random.Random) -> tuple[list[str], list[str]]:
    """Tokens and tags of a sentence in which token 0 is a person and token 4 a place."""
    tokens = [rng.choice(PEOPLE), "was", "born", "in", rng.choice(PLACES), "."]
    return tokens, ["B-PER", "O", "O", "O", "B-LOC", "O"]


def tagged_row(rng: random.Random, family: str) -> dict[str, object]:
    tokens, tags = born(rng)
    names = {"crossner": ("person", "location"), "wnut17": ("person", "location")}.get(family, ("PER", "LOC"))
    return {"tokens": tokens, "tags": [tag.replace("PER", names[0]).replace("LOC", names[1]) for tag in tags]}


def related_row(rng: random.Random, number: int, family: str) -> dict[str, object]:
    first, second = born(rng)[0], born(rng)[0]
    names = {"redocred": "place of birth", "knowledgenet": "PLACE_OF_BIRTH", "fewrel": "spouse"}
    kinds = ("ENT", "ENT") if family == "fewrel" else ("PER", "LOC")
    entities: list[dict[str, object]] = [
        {"start": start, "end": start + 1, "type": kinds[n % 2], "cluster": n} for n, start in enumerate((0, 4, 6, 10))
    ]
    relations = [{"head": 0, "tail": 1, "type": names[family]}, {"head": 2, "tail": 3, "type": names[family]}]
    row: dict[str, object] = {
        "id": f"{family}-{number}",
        "tokens": first + second,
        "entities": entities,
        "relations": relations,
    }
    if family == "redocred":
        row["sent_starts"] = [0, 6]
    if family == "knowledgenet":
        row["annotated"] = ["PLACE_OF_BIRTH"]
    return row


def summarized_row(number: int) -> dict[str, object]:
    sentences = ["We present a result of some use.", "It rained and rained all day long.", "The end came."]
    text = " ".join(sentences)
    starts = [text.index(sentence) for sentence in sentences]
    spans = [[start, start + len(sentence)] for start, sentence in zip(starts, sentences, strict=True)]
    return {
        "id": str(number),
        "text": text,
        "sents": spans,
        "oracle": [0],
        "summary": "A result of some use is presented.",
        "prominence": [5, 2, 1],
        "genre": ("news", "fiction")[number % 2],
    }


def write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def write_training_data(folder: Path, *, rows: int = 6) -> Path:
    """All files that `enrich train` reads."""
    rng = random.Random(5)
    for source in TRAINING:
        family = source.name.split(".")[0].split("_")[0]
        if source.form == "related":
            made = [related_row(rng, n, family) for n in range(rows)]
        else:
            made = [tagged_row(rng, family) for _ in range(rows)]
        write_lines(folder / source.path, made)
    for name in ("uner_ewt.test", "wikigold.test", "uner_ewt.dev"):
        write_lines(folder / f"ner/{name}.jsonl", [tagged_row(rng, name) for _ in range(rows)])
    for name, family in (("redocred.test", "redocred"), ("knowledgenet.dev", "knowledgenet")):
        write_lines(folder / f"relations/{name}.jsonl", [related_row(rng, n, family) for n in range(rows)])
    for name in ("scitldr_a.train", "scitldr_a.test", "gum.train"):
        write_lines(folder / f"summarization/{name}.jsonl", [summarized_row(n) for n in range(rows)])
    topics = ["pay_bill", "play_music", "book_hotel", "tell_joke", "set_alarm", "find_phone", "weather", "translate"]
    write_lines(folder / "classification/clinc150.dev.jsonl", [{"text": f"please {t}", "label": t} for t in topics])
    for name in ("banking77.train", "clinc150.train", "sentence_polarity.train"):
        write_lines(
            folder / f"classification/{name}.jsonl", [{"text": f"tell me how to {t}", "label": t} for t in topics]
        )
    write_lines(
        folder / "classification/bbc.test.jsonl",
        [{"text": "The team won the match.", "label": "sport"}, {"text": "Shares fell.", "label": "business"}],
    )
    return folder
