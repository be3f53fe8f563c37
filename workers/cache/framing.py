"""How a value lies in a cache outside the process: a mark, a version, a seal, the payload.

What is damaged, older, or was put there under another name by somebody else is not there.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest

from workers.cache.keys import derived_key

MARK = b"ER\x01"  # the last byte is the version of this layout
SEAL_BYTES = 16


class Seal:
    """Frames and unframes values. The seal is keyed: who may write to Redis still cannot make up a result."""

    def __init__(self, *, secret: str) -> None:
        self._key = derived_key(secret, "seal")

    def frame(self, name: str, payload: bytes) -> bytes:
        return MARK + self._seal(name, payload) + payload

    def unframe(self, name: str, value: bytes) -> bytes | None:
        """The payload, or None if this is not what `frame` made for this name."""
        payload = value[len(MARK) + SEAL_BYTES :]
        if value[: len(MARK)] != MARK:
            return None
        seal = value[len(MARK) : len(MARK) + SEAL_BYTES]
        return payload if compare_digest(seal, self._seal(name, payload)) else None

    def _seal(self, name: str, payload: bytes) -> bytes:
        name_bytes = name.encode()
        hasher = blake2b(len(name_bytes).to_bytes(8, "little"), digest_size=SEAL_BYTES, key=self._key)
        hasher.update(name_bytes)
        hasher.update(payload)
        return hasher.digest()
