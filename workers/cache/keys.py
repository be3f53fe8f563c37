"""Names of results: a keyed hash over everything that can change the answer. A name tells nothing about the text.

Fields are length-prefixed, so that no two different identities are the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from hashlib import blake2b, sha256

from schemas.base import SCHEMA_VERSION, StageName
from workers.text.pieces import TextTokens, Window

PREFIX = "enrich:1:"


@dataclass(frozen=True, slots=True)
class StageIdentity:
    """Who answers: two stages that differ in any of these do not share results."""

    stage: StageName
    fingerprint: str  # of the stage's settings
    model: str
    revision: str
    precision: str
    code_version: str


def join_fields(fields: Iterable[bytes]) -> bytes:
    """One byte string per sequence of fields, and no two sequences the same."""
    return b"".join(struct.pack("<Q", len(field)) + field for field in fields)


def window_input(window: Window) -> bytes:
    """Everything of a window that a model may look at. Where it lies in the document does not matter.

    The tokens are part of it although they follow from the text: at a cut inside a word they follow from more.
    """
    return join_fields(
        [
            window.text.encode("utf-8", "surrogatepass"),
            *(struct.pack("<II", start, end) for start, end in window.sentences),
            *_token_bytes(window.tokens),
            struct.pack("<I", window.shared),
        ]
    )


def window_itself(window: Window) -> tuple[object, ...]:
    """The same as a value for this process alone, at a tenth of the price of names: for results that nobody keeps."""
    return (window.text, window.sentences, *_token_bytes(window.tokens), window.shared)


def _token_bytes(tokens: TextTokens) -> tuple[bytes, ...]:
    words = tokens.words - tokens.words[0] if len(tokens) else tokens.words
    return tuple(array.astype("<i4", copy=False).tobytes() for array in (tokens.ids, tokens.starts, tokens.ends, words))


def result_key(canonical_input: bytes, identity: StageIdentity, *, secret: str) -> str:
    """The name of the result of one stage for one input."""
    hasher = blake2b(_identity_bytes(identity), digest_size=16, key=derived_key(secret, "name"))
    hasher.update(canonical_input)
    return PREFIX + hasher.hexdigest()


def derived_key(secret: str, purpose: str) -> bytes:
    """32 bytes; one secret serves several purposes without one telling about another."""
    return sha256(join_fields([b"enrich cache", purpose.encode(), secret.encode()])).digest()


class KeyMaker:
    """The names of all results of a window, one per stage. Safe to use from several threads."""

    def __init__(self, identities: Sequence[StageIdentity], *, secret: str) -> None:
        key = derived_key(secret, "name")
        self._hashers = [blake2b(_identity_bytes(entry), digest_size=16, key=key) for entry in identities]

    def of(self, window: Window) -> tuple[str, ...]:
        """In the order of the identities."""
        canonical_input = window_input(window)
        names = []
        for identity_hasher in self._hashers:
            hasher = identity_hasher.copy()
            hasher.update(canonical_input)
            names.append(PREFIX + hasher.hexdigest())
        return tuple(names)


def _identity_bytes(identity: StageIdentity) -> bytes:
    """Self-delimiting, so that the input can follow without a mark in between."""
    return join_fields([SCHEMA_VERSION.encode(), *(str(field).encode() for field in astuple(identity))])
