"""The model that ships: it finds what anybody would find, and its answers do not depend on the batch, to the bit."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from schemas.base import StageName
from tests.fakes.tiny_model import answers, window_of
from workers.models import store
from workers.models.config import read_config
from workers.models.precision import choose_precision
from workers.models.shared import SharedEncoderModel, load_model
from workers.settings import DEFAULT_LABELS, ModelSettings
from workers.stages.results import ClassificationResult, EntitiesResult, RelationsResult, SummaryResult
from workers.stages.summary import QUOTING

FOLDER = Path(store.__file__).parent / "default"
SENTENCES = [
    "Angela Merkel was born in Hamburg.",
    "The European Central Bank raised interest rates on 27 October 2022, and shares of Deutsche Bank fell.",
    "Marie Curie married Pierre Curie in 1895; their daughter Irène was born two years later in Paris.",
    "ok",
    "HELP!!! My order #4417 from Acme Corp. never arrived in SPRINGFIELD",
    "中文 and العربية stand beside naïve café 👩‍👩‍👧.",
]


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def model(request: pytest.FixtureRequest) -> SharedEncoderModel:
    if request.param == "bf16" and choose_precision("auto", torch.device("cpu")) != "bf16":
        pytest.skip("this CPU has no bf16 instructions; auto takes fp32 here")
    return load_model(ModelSettings(precision=request.param, device="cpu"), labels=DEFAULT_LABELS)


def windows(count: int) -> list[str]:
    """Texts of many lengths, several of each area."""
    rng = random.Random(3)
    return [" ".join(rng.choices(SENTENCES, k=rng.choice((1, 1, 1, 2, 3, 6)))) for _ in range(count)]


def test_batch_equals_single_bit_for_bit(model: SharedEncoderModel) -> None:
    texts = windows(40)
    prepared = model.prepare([window_of(model, text) for text in texts])
    alone = answers(model, texts)
    assert len({item.area for item in prepared}) >= 4
    for area in {item.area for item in prepared}:
        numbers = [number for number, item in enumerate(prepared) if item.area == area]
        for chosen in (numbers, numbers[::-1], numbers[:3]):
            batch = [prepared[number] for number in chosen]
            for number, answer in zip(chosen, model.decode(model.forward(batch), batch), strict=True):
                assert dict(answer) == alone[number], texts[number]


def test_scores_before_rounding_are_the_same_bits_too(model: SharedEncoderModel) -> None:
    items = model.prepare([window_of(model, text) for text in SENTENCES])
    area = items[0].area
    same = [item for item in items if item.area == area] * 7
    together, single = model.forward(same), model.forward(same[:1])
    assert together.entities is not None
    assert single.entities is not None
    assert together.labels is not None
    assert single.labels is not None
    assert together.labels[:1].tobytes() == single.labels.tobytes()
    count = len(single.entities.scores)
    assert together.entities.scores[:count].tobytes() == single.entities.scores.tobytes()


@pytest.mark.parametrize("area", [6, 18, 30, 44, 60, 104, 152, 200, 248])
def test_no_bit_depends_on_the_batch_at_lengths_between_those_that_processors_like(
    model: SharedEncoderModel, area: int
) -> None:
    words = ["Rome", "is", "old", ",", "and", "Paris", "of", "France", "has", "a", "new", "house", "."] * 20
    windows = [window_of(model, " ".join(words[at : at + area - 2])) for at in range(4)]  # a word is a token each
    batch = model.prepare(windows)
    together = model.decode(model.forward(batch), batch)
    assert {item.area for item in batch} == {area}
    for size in (1, 2):
        parts = [batch[start : start + size] for start in range(0, len(batch), size)]
        assert [answer for part in parts for answer in model.decode(model.forward(part), part)] == list(together)


def test_it_finds_who_was_born_where(model: SharedEncoderModel) -> None:
    (answer,) = answers(model, ["Angela Merkel was born in Hamburg."])
    found, related = answer[StageName.ENTITIES], answer[StageName.RELATIONS]
    assert isinstance(found, EntitiesResult)
    assert isinstance(related, RelationsResult)
    assert [(e.type, e.start, e.end) for e in found.entities] == [("PER", 0, 13), ("LOC", 26, 33)]
    thresholds = model.info.thresholds[StageName.RELATIONS]
    stated = {(r.head, r.type, r.tail) for r in related.relations if r.score >= thresholds[r.type]}
    assert (0, "born_in", 1) in stated


def test_it_finds_the_organisation_and_the_date(model: SharedEncoderModel) -> None:
    (answer,) = answers(model, ["Microsoft was founded by Bill Gates and Paul Allen on April 4, 1975."])
    found = answer[StageName.ENTITIES]
    assert isinstance(found, EntitiesResult)
    kinds = {e.type for e in found.entities}
    assert {"ORG", "PER", "DATE"} <= kinds


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The striker scored twice as United won the cup final.", "sport"),
        ("Shares fell after the company cut its profit forecast.", "business"),
        ("Parliament voted on the government's new immigration law.", "politics"),
    ],
)
def test_it_tells_obvious_topics_apart(model: SharedEncoderModel, text: str, label: str) -> None:
    (answer,) = answers(model, [text])
    result = answer[StageName.CLASSIFICATION]
    assert isinstance(result, ClassificationResult)
    assert list(DEFAULT_LABELS)[result.scores.index(max(result.scores))] == label


def test_every_sentence_has_a_salience_and_a_unit_vector(model: SharedEncoderModel) -> None:
    text = "We present a new method. It works."
    window = window_of(model, text, ((0, 24), (25, 34)))
    batch = model.prepare([window])
    (answer,) = model.decode(model.forward(batch), batch)
    result = answer[StageName.SUMMARY]
    assert isinstance(result, SummaryResult)
    assert result.vectors.shape == (2, 384)
    assert len(result.salience) == 2


def test_the_card_states_what_the_configuration_measured() -> None:
    card, config = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8"), read_config(FOLDER)
    assert config.scores
    assert config.training is not None
    for name, value in config.scores.items():
        assert f"| {name} | {value} |" in card
    assert config.heads_sha256 in card


def test_models_without_quoting_of_their_own_quote_as_the_packaged_one_does() -> None:
    assert read_config(FOLDER).quoting == QUOTING


def test_what_ships_is_small_and_cannot_run_code() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {
        "heads.safetensors",
        "config.json",
        "MODEL_CARD.md",
        "loss.png",
    }
    assert (FOLDER / "heads.safetensors").stat().st_size < 40_000_000
