"""What a student loses against soft labels, and where a teacher's words lie in its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.tiny_model import tiny_model, window_of
from workers.lifecycle.distil_learning import divergence
from workers.lifecycle.distil_targets import map_tags, soft_example, softened
from workers.lifecycle.distil_teacher import SoftText


@given(st.lists(st.floats(-20, 20), min_size=5, max_size=5), st.floats(0.5, 8))
@settings(deadline=None)
def test_who_says_what_the_teacher_says_has_nothing_to_lose(logits: list[float], temperature: float) -> None:
    own = torch.tensor([logits])
    wanted = torch.from_numpy(softened(own.numpy(), temperature))
    assert float(divergence(own, wanted, torch.arange(5), temperature=temperature)[0]) == pytest.approx(0, abs=1e-4)
    other = own.roll(1, dims=1) + torch.tensor([[0.0, 0.0, 5.0, 0.0, 0.0]])
    assert float(divergence(other, wanted, torch.arange(5), temperature=temperature)[0]) >= -1e-5


def test_a_type_the_teacher_does_not_know_costs_nothing() -> None:
    tags = map_tags(("O", "B-PER", "I-PER", "B-GPE"), ("LOC", "PER"))
    assert tags.to_student.tolist() == [0, 3, 4, 0]
    assert tags.groups.tolist() == [0, 0, 0, 3, 4]
    wanted = torch.tensor([[1.0, 0, 0, 0, 0]])
    says_outside, says_place = torch.tensor([[9.0, 0, 0, 0, 0], [0, 9.0, 0, 0, 0]])
    groups = torch.from_numpy(tags.groups)
    lost = [divergence(row[None], wanted, groups, temperature=1.0) for row in (says_outside, says_place)]
    torch.testing.assert_close(lost[0], lost[1])


def test_words_take_what_was_said_where_they_lie() -> None:
    model = tiny_model()
    (window,) = model.prepare([window_of(model, "New-York is old")])  # our words: New - York is old
    logits = np.array([[0, 9, 0], [9, 0, 0]], np.float32)  # the teacher's: New-York, is; nothing for `old`
    soft = SoftText(np.array([0, 9], np.int32), np.array([8, 11], np.int32), logits, np.zeros(0, np.float32))
    example = soft_example(window, soft, map_tags(("O", "B-LOC", "I-LOC"), ("LOC",)), temperature=1.0)
    assert example.tags.argmax(axis=1)[:4].tolist() == [1, 2, 2, 0]
    assert example.taught.tolist() == [True, True, True, True, False]
    np.testing.assert_allclose(example.tags[:4].sum(axis=1), 1, rtol=1e-5)
