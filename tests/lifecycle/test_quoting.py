"""The salience head and the weights beside it find the sentence that people took up, and are the same every time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from workers.errors import ConfigurationError
from workers.lifecycle import quoting as fitting
from workers.lifecycle.leading import Judged, strongest_lead, within_one_error
from workers.lifecycle.overlap import overlaps
from workers.lifecycle.quoting import School
from workers.lifecycle.salience import ReadDocument, logits_of
from workers.models.config import HeadShape
from workers.stages.results import Quoting, Weights

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


def long_document(seed: int, told: int) -> ReadDocument:
    """Forty sentences, of which a reference repeats one."""
    vectors = F.normalize(torch.randn(40, WIDTH, generator=torch.Generator().manual_seed(seed)))
    sentences = tuple(f"word{n} other{n} third{n}" for n in range(40))
    gains = torch.from_numpy(np.eye(40)[told]).float()
    return ReadDocument(sentences, (sentences[told],), vectors, vectors, torch.full((40,), 20), gains)


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


@pytest.mark.parametrize(
    ("losses", "within"),
    [([0.0, 0.0, 0.0], True), ([0.1, -0.1, 0.05], True), ([0.1, 0.1, 0.1], False), ([0.3, 0.2, 0.25], False)],
)
def test_a_loss_within_its_standard_error_is_none(losses: list[float], within: bool) -> None:
    assert within_one_error(np.array(losses)) is within


@pytest.mark.parametrize(("first", "strongest"), [(True, True), (False, False)])
def test_the_start_is_preferred_as_far_as_the_documents_allow(first: bool, strongest: bool) -> None:
    """With 40 sentences a summary of three misses what is told late, unless nothing draws it to the start."""
    told = [1 if first else 30 + number % 8 for number in range(40)]
    judged = [
        Judged(long_document(number, place), 4.0 * np.eye(40)[place], 1.0, 0) for number, place in enumerate(told)
    ]

    def fit(fold: int, lead: float) -> Weights:
        return Weights(1.0, 0.0, -lead, 0.0, 0.0, 0.0, 0.0)

    assert (strongest_lead(judged, (0.0, 0.5, 4.0), fit) == 4.0) is strongest


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


def test_a_file_of_articles_is_told_from_one_of_abstracts() -> None:
    abstracts, articles = [document(seed) for seed in range(3)], [long_document(seed, 1) for seed in range(3)]
    school = School.of([[*abstracts, articles[0]], articles[1:], []])
    assert (len(school.short), len(school.long)) == (4, 2)
