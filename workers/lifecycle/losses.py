"""What training minimises. What a data set does not say has no gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_FULL_PAIRS = 200  # a batch with fewer pairs counts less: one pair must not weigh as much as a document


def entity_loss(logits: Tensor, possible: Tensor) -> Tensor:
    """Mean over words of -log of the probability that the tag is one of those possible. [W, tags] both.

    A word of which everything is possible teaches nothing and is not counted.
    """
    taught = ~possible.all(dim=1)
    log_odds = torch.log_softmax(logits, dim=1).masked_fill(~possible, -torch.inf)
    losses = -torch.logsumexp(log_odds, dim=1)
    return (losses * taught).sum() / taught.sum().clamp(min=1)


def soft_entity_loss(logits: Tensor, wanted: Tensor, open_tags: Tensor) -> Tensor:
    """Mean over words of the cross entropy with a teacher's probabilities; a word of zeros is not counted. [W, tags]
    each (Hinton et al. 2015, Distilling the Knowledge in a Neural Network, at temperature 1).

    The open tags of a word count as one: how the teacher divides it among them is not learned.
    """
    wanted, log_odds = wanted.float(), torch.log_softmax(logits, dim=1)
    as_one = torch.logsumexp(log_odds.masked_fill(~open_tags, -torch.inf), dim=1)
    alone = (wanted * log_odds).masked_fill(open_tags, 0.0).sum(dim=1)
    losses = -(alone + (wanted * open_tags).sum(dim=1) * as_one)
    return losses.sum() / wanted.any(dim=1).sum().clamp(min=1)


def relation_loss(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Binary cross entropy of the known pairs and types, summed over types, averaged over pairs. [P, types] each.

    `targets` are flags, or a teacher's probabilities.
    """
    losses = F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype), reduction="none")
    return (losses * known).sum() / known.any(dim=1).sum().clamp(min=_FULL_PAIRS)
