"""The salience head and the weights beside it find the sentence that people took up, and are the same every time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from workers.errors import ConfigurationError
from workers.lifecycle import quoting as fitting
from workers.lifecycle.overlap import overlaps
from workers.lifecycle.quoting import School
from workers.lifecycle.salience import ReadDocument, logits_of
from workers.models.config import HeadShape
from workers.stages.results import Quoting

WIDTH = 64
SHAPE = HeadShape(salience_width=32)


def document(seed: int, *, first: bool = False) -> ReadDocument:
    """Five sentences, of which the one that a reference repeats leans to one side of all axes, or is the first."""
    generator = torch.Generator().manual_seed(seed)
    told = 0 if first else seed % 5
    vectors = torch.randn(5, WIDTH, generator=generator)
    if not first:
        vectors[told] += 0.5
    sentences = tuple(f"word{n} other{n} third{n}" for n in range(5))
    references = (sentences[told],)
    gains = overlaps(sentences, references, np.arange(5)[:, None])
    windows = torch.ones(5, WIDTH) / WIDTH**0.5
    return ReadDocument(
        sentences, references, F.normalize(vectors), windows, torch.full((5,), 20), torch.from_numpy(gains).float()
    )


def hits(school: School) -> float:
    """Part of unseen documents whose wanted sentence has the most merit by salience alone."""
    head = school.head(WIDTH, SHAPE, seed=1)
    unseen = [document(seed) for seed in range(1_000, 1_040)]
    return float(np.mean([np.argmax(logits_of(head, d)) == np.argmax(d.gains.numpy()) for d in unseen]))


@pytest.fixture(scope="module")
def school() -> School:
    return School(long=(), short=tuple(document(seed) for seed in range(400)))


@pytest.fixture(scope="module")
def quoting(school: School) -> Quoting:
    return school.quoting(WIDTH, SHAPE, seed=1)


def test_the_head_finds_what_people_took_up(school: School, quoting: Quoting) -> None:
    assert hits(school) > 0.9
    assert quoting.one.salience > 0.5
    assert quoting.several.salience > 0.2


def test_the_same_seed_gives_the_same_weights(school: School) -> None:
    small = School(long=school.short[:4], short=school.short[:40])
    first, again = (small.quoting(WIDTH, SHAPE, seed=3) for _ in range(2))
    assert first == again
    one, other = (small.head(WIDTH, SHAPE, seed=3).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_training_leaves_the_global_random_numbers_alone(school: School) -> None:
    before = torch.random.get_rng_state()
    School(long=(), short=school.short[:8]).head(WIDTH, SHAPE, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_where_summaries_repeat_the_start_the_start_is_quoted() -> None:
    quoting = School(long=tuple(document(seed, first=True) for seed in range(60)), short=()).quoting(
        WIDTH, SHAPE, seed=1
    )
    assert quoting.one.position < -0.3
    assert quoting.one.redundancy == 0  # one sentence has nothing to be like


def test_many_quotes_are_drawn_without_repeats_and_few_are_all_taken() -> None:
    generator = np.random.default_rng(0)
    allowed = np.array([1, 3, 4, 8])
    assert fitting._sampled(allowed, 2, generator).tolist() == [[1, 3], [1, 4], [1, 8], [3, 4], [3, 8], [4, 8]]
    many = fitting._sampled(np.arange(200), 2, generator)
    assert many.shape == (fitting.QUOTES, 2)
    assert len(np.unique(many, axis=0)) == fitting.QUOTES


def test_too_little_to_learn_from_is_said() -> None:
    with pytest.raises(ConfigurationError, match="fewer than 2 documents"):
        School(long=(), short=(document(0),))
