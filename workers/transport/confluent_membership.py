"""A librdkafka consumer's membership: the library's opaque proof, and what has to be known of it.

The proof goes into the transaction as it is. It is read here only to tell a proof without a membership, which the
broker does not fence.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from confluent_kafka import Consumer

KNOWN_FORM = b"CGMDv2:"  # followed by the generation (int32, the machine's order), group, member and instance
UNKNOWN_GENERATION = 0  # then the member id alone decides


@dataclass(frozen=True, slots=True)
class ConfluentMembership:
    proof: bytes
    generation_id: int  # -1 without a membership
    member_id: str


def membership_of(consumer: Consumer) -> ConfluentMembership:
    """The member id is asked for after the proof: it is empty from a loss until that was told in a poll, so a member id
    means that the proof before it had one too."""
    proof = bytes(consumer.consumer_group_metadata())
    return ConfluentMembership(proof, generation_in(proof), consumer.memberid() or "")


def generation_in(proof: bytes) -> int:
    number = proof.removeprefix(KNOWN_FORM)[:4]
    if number == proof[:4] or len(number) < 4:
        return UNKNOWN_GENERATION
    return int(struct.unpack("=i", number)[0])
