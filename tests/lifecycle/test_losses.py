"""What a data set does not say has no gradient; what it says has."""

from __future__ import annotations

import torch

from workers.lifecycle.losses import entity_loss, relation_loss, soft_entity_loss

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


def test_a_teachers_word_is_learned_as_a_whole_where_it_was_taught_all() -> None:
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(1))
    wanted = torch.softmax(torch.randn(5, 7, generator=torch.Generator().manual_seed(2)), dim=1)
    alone = torch.zeros(5, 7, dtype=torch.bool)
    alone[:, 0] = True
    expected = -(wanted * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(soft_entity_loss(logits, wanted, alone), expected)


def test_how_a_teacher_divides_what_nobody_taught_it_is_not_learned() -> None:
    open_tags = torch.tensor([[True, False, False, True, True]])
    logits = torch.zeros(1, 5, requires_grad=True)
    for wanted in ([0.8, 0.1, 0.1, 0.0, 0.0], [0.0, 0.1, 0.1, 0.3, 0.5]):
        (gradient,) = torch.autograd.grad(soft_entity_loss(logits, torch.tensor([wanted]), open_tags), logits)
        torch.testing.assert_close(gradient[0, [0, 3, 4]], gradient[0, [0, 0, 0]])
        assert (gradient[0, 1:3] > 0).all(), "less likely than it thinks now"


def test_a_word_that_no_teacher_was_asked_about_has_no_gradient() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    wanted, open_tags = torch.tensor([[0.0, 0, 0], [0.2, 0.5, 0.3]]), torch.tensor([[True, False, False]] * 2)
    loss = soft_entity_loss(logits, wanted, open_tags)
    torch.autograd.backward(loss)
    assert logits.grad is not None
    assert not logits.grad[0].any()
    torch.testing.assert_close(loss, soft_entity_loss(logits[1:], wanted[1:], open_tags[1:]))


def test_a_teachers_relations_are_learned_where_it_is_believed() -> None:
    logits = torch.zeros(300, 2, requires_grad=True)
    wanted, believed = torch.full((300, 2), 0.5), torch.ones(300, 2, dtype=torch.bool)
    loss = relation_loss(logits, wanted, believed)
    torch.testing.assert_close(loss, torch.tensor(2 * 0.6931472))
    alone = relation_loss(logits[:1], wanted[:1], believed[:1])
    assert alone < loss / 100, "a pair weighs less than a document"
    believed[:, 1] = False
    (gradient,) = torch.autograd.grad(relation_loss(logits, torch.ones(300, 2), believed), logits)
    assert (gradient[:, 0] < 0).all()
    assert not gradient[:, 1].any()
