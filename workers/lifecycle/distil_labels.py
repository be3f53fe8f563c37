"""Soft labels on disk: one safetensors file for so many pieces of text, written whole, taken up again, no pickle.

The texts themselves are not stored; a digest ties a file to them and to the teacher.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from workers.lifecycle.distil_teacher import SoftText, Teacher
from workers.lifecycle.keyed_arrays import Arrays, read_arrays, write_arrays

FOLDER = "soft"


def label_texts(
    teacher: Teacher, texts: Sequence[str], folder: Path, *, per_file: int, report: Callable[[int], None]
) -> list[SoftText]:
    """What the teacher says about each text; files that are there already are read instead of asked for again.

    Raises ConfigurationError if one is of another teacher or other texts.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    found: list[SoftText] = []
    for number, start in enumerate(range(0, len(texts), per_file)):
        part, path = texts[start : start + per_file], folder / FOLDER / f"{number:05}.safetensors"
        digest = _digest(teacher, part)
        if path.is_file():
            found += read_labels(path, digest)
        else:
            said = [soft.as_stored() for soft in teacher.say(part)]
            write_labels(path, said, digest)
            found += said
        report(min(len(texts), start + per_file))
    return found


def write_labels(path: Path, said: Sequence[SoftText], digest: str) -> None:
    columns: Arrays = {
        "words": np.array([len(soft.starts) for soft in said], dtype=np.int64),
        "starts": np.concatenate([soft.starts for soft in said]).astype(np.int32),
        "ends": np.concatenate([soft.ends for soft in said]).astype(np.int32),
        "tags": np.concatenate([soft.tags for soft in said]).astype(np.float16),
        "labels": np.stack([soft.labels for soft in said]).astype(np.float16),
    }
    write_arrays(path, columns, digest)


def read_labels(path: Path, digest: str) -> list[SoftText]:
    """Raises ConfigurationError if the file is damaged, or not of this teacher and these texts."""
    return list(_split(read_arrays(path, digest, what="another teacher, other texts or another cut")))


def _split(columns: Arrays) -> Iterator[SoftText]:
    after = np.cumsum(columns["words"])
    for number, (lo, hi) in enumerate(zip(after - columns["words"], after, strict=True)):
        yield SoftText(
            columns["starts"][lo:hi],
            columns["ends"][lo:hi],
            columns["tags"][lo:hi].astype(np.float32),
            columns["labels"][number].astype(np.float32),
        )


def _digest(teacher: Teacher, texts: Sequence[str]) -> str:
    whole = hashlib.sha256(repr((teacher.name, teacher.revision, teacher.tags, teacher.labels)).encode())
    for text in texts:
        whole.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return whole.hexdigest()
