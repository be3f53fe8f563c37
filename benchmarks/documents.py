"""The documents that benchmarks run on: real ones, of mixed length, in an order that is the same every time.

Where more are asked for than there are, they come again with their words rotated, so that no window is seen twice:
equal windows that are under way at the same time are computed once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import count, islice
from pathlib import Path

import orjson

CORPUS = Path("../shared/data/corpus")
LEFT_OUT = "adversarial"  # files of texts that are hostile on purpose
BOOK = 20_000  # characters: the corpora have documents of up to 5,000 and two speeches of 137,000
TURN = 7  # words by which each repetition is rotated further


@dataclass(frozen=True, slots=True)
class Sample:
    """A document as a producer writes it."""

    id: str
    text: str
    language: str | None = None

    @property
    def value(self) -> bytes:
        fields = {"id": self.id, "text": self.text}
        return orjson.dumps(fields if self.language is None else fields | {"language": self.language})

    @property
    def words(self) -> int:
        return len(self.text.split())


def read_samples(source: Path | None, wanted: int, *, seed: int = 7) -> list[Sample]:
    """`wanted` documents of a file or a folder, shuffled. Raises SystemExit where there are none."""
    folder = source or (CORPUS if CORPUS.is_dir() else None)
    if folder is None:
        lines = (files("workers.cli") / "samples" / "documents.jsonl").read_bytes().splitlines()
    elif folder.is_dir():
        names = sorted(path for path in folder.glob("*.jsonl") if not path.name.startswith(LEFT_OUT))
        lines = [line for path in names for line in path.read_bytes().splitlines()]
    else:
        lines = folder.read_bytes().splitlines()
    known = [sample_of(line) for line in lines if line.strip()]
    if not known:
        raise SystemExit(f"there are no documents in {folder}: name a file of JSON lines, or a folder of them")
    random.Random(seed).shuffle(known)
    return list(islice((again(sample, round_) for round_ in count() for sample in known), wanted))


def sample_of(line: bytes) -> Sample:
    fields = orjson.loads(line)
    return Sample(str(fields["id"]), str(fields["text"]), fields.get("language"))


def again(sample: Sample, round_: int) -> Sample:
    """The same document for another round: another id, and other windows of about the same length."""
    if round_ == 0:
        return sample
    words = sample.text.split(" ")
    at = TURN * round_ % len(words)
    return replace(sample, id=f"{sample.id}-{round_}", text=" ".join(words[at:] + words[:at]))


def without_books(samples: Sequence[Sample]) -> list[Sample]:
    """Where one very long document would be most of the figure."""
    return [sample for sample in samples if len(sample.text) <= BOOK]


def cut_to_words(samples: Sequence[Sample], lengths: Sequence[int], *, seed: int = 7) -> list[Sample]:
    """Documents of exactly these numbers of words, each cut out of the running text of all `samples` elsewhere."""
    words = " ".join(sample.text for sample in samples).split()
    if len(words) < max(lengths, default=0):
        words *= -(-max(lengths) // len(words))
    chance = random.Random(seed)
    made = []
    for number, length in enumerate(lengths):
        at = chance.randrange(len(words) - length + 1)
        made.append(Sample(f"cut-{number}", " ".join(words[at : at + length]), "en"))
    return made


def write_samples(path: Path, samples: Sequence[Sample]) -> Path:
    path.write_bytes(b"".join(sample.value + b"\n" for sample in samples))
    return path
