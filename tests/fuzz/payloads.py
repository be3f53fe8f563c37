"""Hostile payloads: documents and near-documents, mutated. The same seed gives the same payloads."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

from workers.transport.base import Headers

PLAIN: Headers = (("content-type", b"text/plain"),)
DOCUMENTS: tuple[dict[str, object], ...] = (
    {"id": "a", "text": "Ada Lovelace met Charles Babbage in London."},
    {"id": "é😀", "text": "\x00\u2028\ufeff", "title": "t", "language": "de", "source": "s"},
    {"id": "b", "text": "x", "timestamp": "2026-01-31T12:00:00+02:00", "metadata": {"k": [1, {"x": None}], "f": 0.5}},
    {"id": "c", "text": "y" * 300, "unknown": {"deep": [[[[1]]]]}, "metadata": {str(n): n for n in range(64)}},
)
PIECES = (
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b":", b",", b" ", b"\n", b"\x00", b"\x01", b"\x7f", b"\xef\xbb\xbf"),
    *(
        b"\\ud800",
        b"\\udc00",
        b"\\ud83d\\ude00",
        b"\\u0000",
        b"\xed\xa0\x80",
        b"\xff",
        b"\xc0\x80",
        b"\xf5\x80\x80\x80",
    ),
    *(
        b"1e999",
        b"-0",
        b"1e-999",
        b"NaN",
        b"Infinity",
        b"9" * 400,
        b"9" * 5_000,
        b"0x1",
        b"01",
        b"1.",
        b"true",
        b"null",
    ),
    *(b'"id":', b'"text":', b'"metadata":', b'"timestamp":', b'"id":"z",', b'"text":7,', b'"i\\u0064":"z",'),
    *(b"[" * 40, b'{"a":' * 40, b"[[],[]]," * 20, b'"",' * 50, b'"k":1,' * 70),
)
WRONG: tuple[object, ...] = (
    None,
    True,
    7,
    -1.5,
    "",
    [],
    {},
    ["a"],
    {"a": 1},
    "x" * 3_000,
    10**30,
    "2026-13-01",
    "\u0000",
)

Mutation = Callable[[random.Random, bytes], bytes]


def payloads(count: int, *, seed: int) -> Iterator[tuple[bytes, Headers]]:
    chance = random.Random(seed)
    for _ in range(count):
        value = json.dumps(wrong_types(chance), ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
        for _ in range(chance.choice((0, 1, 1, 2, 3, 8))):
            value = chance.choice(MUTATIONS)(chance, value)
        yield value, PLAIN if chance.random() < 0.1 else ()


def wrong_types(chance: random.Random) -> dict[str, object]:
    document = dict(chance.choice(DOCUMENTS))
    if chance.random() < 0.4:
        document[chance.choice([*document, "title", "language", "timestamp", "source", "metadata"])] = chance.choice(
            WRONG
        )
    if chance.random() < 0.1:
        del document[chance.choice(list(document))]
    return document


def insert(chance: random.Random, value: bytes) -> bytes:
    place = chance.randint(0, len(value))
    return value[:place] + chance.choice(PIECES) + value[place:]


def flip(chance: random.Random, value: bytes) -> bytes:
    place = chance.randrange(len(value) + 1)
    return value[:place] + bytes([chance.randrange(256)]) + value[place + 1 :]


def cut(chance: random.Random, value: bytes) -> bytes:
    start, end = sorted((chance.randint(0, len(value)), chance.randint(0, len(value))))
    return value[:start] + value[end:]


def truncate(chance: random.Random, value: bytes) -> bytes:
    return value[: chance.randint(0, len(value))]


def repeat(chance: random.Random, value: bytes) -> bytes:
    start = chance.randint(0, len(value))
    end = min(len(value), start + chance.randint(1, 40))
    return value[:end] + value[start:end] * chance.choice((1, 2, 30)) + value[end:]


def wrap(chance: random.Random, value: bytes) -> bytes:
    before, after = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"", value), (b'"', b'"')))
    return before + value + after


def recode(chance: random.Random, value: bytes) -> bytes:
    return value.decode("utf-8", "replace").encode(chance.choice(("utf-16", "utf-32", "latin-1")), "replace")


def replace(chance: random.Random, value: bytes) -> bytes:
    old = chance.choice((b'"', b":", b",", b"a", b"1"))
    return value.replace(old, chance.choice(PIECES), chance.randint(1, 3))


MUTATIONS: tuple[Mutation, ...] = (insert, insert, flip, cut, truncate, repeat, wrap, recode, replace)
