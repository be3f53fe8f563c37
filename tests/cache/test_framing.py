"""Values outside the process: what is not exactly what was put is not there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.cache.framing import MARK, Seal

SEAL = Seal(secret="s")


@given(st.text(max_size=20), st.binary(max_size=200))
def test_a_framed_value_is_read_back(name: str, payload: bytes) -> None:
    assert SEAL.unframe(name, SEAL.frame(name, payload)) == payload


@given(st.binary(max_size=50), st.data())
def test_one_changed_bit_is_noticed(payload: bytes, data: st.DataObject) -> None:
    value = bytearray(SEAL.frame("name", payload))
    position = data.draw(st.integers(0, len(value) - 1))
    value[position] ^= 1 << data.draw(st.integers(0, 7))
    assert SEAL.unframe("name", bytes(value)) is None


@given(st.binary(max_size=50), st.data())
def test_a_cut_value_is_noticed(payload: bytes, data: st.DataObject) -> None:
    value = SEAL.frame("name", payload)
    assert SEAL.unframe("name", value[: data.draw(st.integers(0, len(value) - 1))]) is None


@given(st.binary(max_size=100))
def test_bytes_of_somebody_else_are_noticed(value: bytes) -> None:
    assert SEAL.unframe("name", value) is None
    assert SEAL.unframe("name", MARK + value) is None


@given(st.text(max_size=5), st.text(max_size=5), st.binary(max_size=5), st.binary(max_size=5))
def test_a_value_under_another_name_or_secret_is_noticed(name: str, other: str, payload: bytes, more: bytes) -> None:
    value = SEAL.frame(name, payload)
    assert (SEAL.unframe(other, value) == payload) == (name == other)
    assert Seal(secret="other").unframe(name, value) is None
