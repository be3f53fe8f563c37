"""What a data set does not say has no gradient; what it says has."""

from __future__ import annotations

import torch

from workers.lifecycle.losses import entity_loss, relation_loss

OUTSIDE, B_PER, I_PER, B_DATE, I_DATE = range(5)


def possible(*rows: set[int]) -> torch.Tensor:
    return torch.tensor([[tag in row for tag in range(5)] for row in rows])


def gradient(rows: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    logits = torch.randn(rows.shape, requires_grad=True)
    torch.autograd.backward(entity_loss(logits, rows))
    assert logits.grad is not None
    return logits.grad


def test_a_word_that_may_be_anything_has_no_gradient() -> None:
    grad = gradient(possible({OUTSIDE, B_PER, I_PER, B_DATE, I_DATE}, {B_PER}))
    assert not grad[0].any()
    assert grad[1].any()


def test_a_type_that_is_not_annotated_is_never_pushed_down_against_o() -> None:
    # The data set says "no person here" and nothing of dates: only persons may lose.
    grad = gradient(possible({OUTSIDE, B_DATE, I_DATE}))[0]
    assert grad[[B_PER, I_PER]].min() > 0
    assert grad[[OUTSIDE, B_DATE, I_DATE]].max() < 0


def test_words_without_a_say_do_not_thin_the_loss_out() -> None:
    logits = torch.zeros(2, 5)
    one = entity_loss(logits[:1], possible({B_PER}))
    both = entity_loss(logits, possible({B_PER}, {OUTSIDE, B_PER, I_PER, B_DATE, I_DATE}))
    torch.testing.assert_close(one, both)


def test_a_relation_that_was_not_looked_for_has_no_gradient() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    targets = torch.zeros(3, 4, dtype=torch.bool)
    targets[0, 1] = True
    known = torch.zeros(3, 4, dtype=torch.bool)
    known[0, 1] = known[1, 2] = True
    torch.autograd.backward(relation_loss(logits, targets, known))
    assert logits.grad is not None
    assert torch.equal(logits.grad != 0, known)
    assert logits.grad[0, 1] < 0 < logits.grad[1, 2]


def test_a_batch_that_says_nothing_has_loss_zero() -> None:
    everything = torch.ones(4, 5, dtype=torch.bool)
    assert float(entity_loss(torch.randn(4, 5), everything)) == 0
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    assert float(relation_loss(torch.randn(2, 3), nothing, nothing)) == 0
