"""Token classification: equal to transformers' pipeline, the same alone and in company, long texts whole."""

from __future__ import annotations

import warnings
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from schemas.base import StageName
from tests.fakes.tiny_checkpoints import FAMILIES, LENGTH, WORDS, write_tagger
from workers.errors import ConfigurationError
from workers.models.adapters.token_classification import TokenClassifier, load_token_classifier
from workers.models.adapters.token_labels import Aggregation, group_tokens, read_scheme
from workers.settings import TokenClassificationModel
from workers.stages.results import EntitiesResult, FoundEntity
from workers.text.pieces import Window

TEXTS = (
    "Anna lives in Berlin.",
    "Carla works for a new company in Paris, it was said; Anna left.",
    "the unheardof words are cut to pieces: Berlinish, Annas 1999",
    "  Anna   spaces and Gunal stay outside ",
    "a",
    "The team of the city met Anna at the river in Berlin and that was on the market of Paris.",
)
AGGREGATIONS: tuple[Aggregation, ...] = ("simple", "first", "average", "max")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("taggers")
    return {family: write_tagger(root / family, family) for family in FAMILIES}


def opened(folder: Path, **options: object) -> TokenClassifier:
    given = {"kind": "token-classification", "name": str(folder), "precision": "fp32", "device": "cpu"}
    return load_token_classifier(TokenClassificationModel.model_validate(given | options))


def window_of(model: TokenClassifier, text: str) -> Window:
    return Window(text, 0, ((0, len(text)),), model.tokenize([text])[0])


def entities(model: TokenClassifier, text: str) -> tuple[FoundEntity, ...]:
    return found_in(model, [window_of(model, text)])[0]


def found_in(model: TokenClassifier, windows: list[Window]) -> list[tuple[FoundEntity, ...]]:
    batch = model.prepare(windows)
    found = []
    for answer in model.decode(model.forward(batch), batch):
        result = answer[StageName.ENTITIES]
        assert isinstance(result, EntitiesResult)
        found.append(result.entities)
    return found


@cache
def pipeline_of(folder: Path) -> Any:
    model, tokenizer = AutoModelForTokenClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    return pipeline("token-classification", model=model, tokenizer=tokenizer, device="cpu")


def expected(folder: Path, text: str, aggregation: str) -> list[tuple[str, int, int, float]]:
    """What transformers says, without the empty spans and the outer spaces that it leaves in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it guesses words where the vocabulary does not tell
        said = pipeline_of(folder)(text, aggregation_strategy=aggregation)
    spans = []
    for entity in said:
        quoted = text[entity["start"] : entity["end"]]
        start = entity["start"] + len(quoted) - len(quoted.lstrip())
        if quoted.strip():
            spans.append((entity["entity_group"], start, start + len(quoted.strip()), float(entity["score"])))
    return spans


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_finds_what_the_pipeline_of_transformers_finds(
    folders: dict[str, Path], family: str, aggregation: Aggregation
) -> None:
    model = opened(folders[family], aggregation=aggregation)
    total = 0
    for text in TEXTS:
        wanted = expected(folders[family], text, aggregation)
        found = entities(model, text)
        assert [(e.type, e.start, e.end) for e in found] == [entry[:3] for entry in wanted]
        assert [e.score for e in found] == pytest.approx([entry[3] for entry in wanted], abs=1e-5)
        total += len(found)
    assert total > len(TEXTS)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_window_gets_the_same_bits_alone_and_in_company(folders: dict[str, Path], family: str) -> None:
    model = opened(folders[family])
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(WORDS, size=int(size))) for size in rng.integers(1, 14, size=60)]
    by_area: dict[int, list[Window]] = {}
    for window in (window_of(model, text) for text in texts):
        by_area.setdefault(model.prepare([window])[0].area, []).append(window)
    assert max(map(len, by_area.values())) > 8
    for windows in by_area.values():
        batch = model.prepare(windows)
        together = model.forward(batch)
        for number, item in enumerate(batch):
            [alone] = model.forward([item])
            for row, (one, other) in enumerate(zip(alone, together[number], strict=True)):
                length = len(item.rows[row].ids)
                assert np.array_equal(one[:length], other[:length])


def test_every_row_has_padding_so_that_no_batch_goes_without_mask(folders: dict[str, Path]) -> None:
    model = opened(folders["bert"])
    for words in range(1, model.max_window_tokens + 1):
        [item] = model.prepare([window_of(model, " ".join(WORDS[:1] * words))])
        [row] = item.rows
        assert len(row.ids) == words + 2 < item.padded <= LENGTH


@pytest.mark.parametrize("family", FAMILIES)
def test_a_window_that_is_longer_than_the_model_reads_is_read_in_parts(folders: dict[str, Path], family: str) -> None:
    model = opened(folders[family], aggregation="simple")
    text = " ".join(WORDS[number % len(WORDS)] for number in range(300))
    window = window_of(model, text)
    assert len(window.tokens) > 4 * LENGTH
    [item] = model.prepare([window])
    assert all(len(row.ids) < LENGTH for row in item.rows)
    assert {n for row in item.rows for n in range(row.first, row.first + row.count)} == set(range(len(window.tokens)))
    [found] = found_in(model, [window])
    assert found[-1].end > 0.9 * len(text)
    assert all(before.end <= after.start for before, after in pairwise(found))


def test_a_token_is_answered_by_the_part_in_which_it_has_most_around_it(folders: dict[str, Path]) -> None:
    model = opened(folders["bert"], aggregation="simple")
    text = " ".join(WORDS[number % len(WORDS)] for number in range(100))
    [item] = model.prepare([window_of(model, text)])
    first, second = item.rows[0], item.rows[1]
    middle = (second.first + first.first + first.count) // 2  # in the middle of what the two share
    raw = [np.full((item.padded, len(model.info.labels) + 4), -9.0, dtype=np.float32) for _ in item.rows]
    raw[0][:, 1] = 9.0  # PER all over
    raw[1][:, 3] = 9.0  # LOC all over
    result = model.answer(item, raw)[StageName.ENTITIES]
    assert isinstance(result, EntitiesResult)
    types = {found.start: found.type for found in result.entities}
    starts = item.window.tokens.starts.tolist()
    assert types[starts[middle - 2]] == "PER"
    assert types[starts[middle + 2]] == "LOC"


def test_types_can_be_renamed_and_left_out(folders: dict[str, Path]) -> None:
    plain = entities(opened(folders["bert"]), TEXTS[-1])
    assert {found.type for found in plain} == {"PER", "LOC"}
    renamed = opened(folders["bert"], types={"PER": "person", "LOC": ""})
    assert renamed.info.labels[StageName.ENTITIES] == ("person",)
    assert [(e.type, e.start) for e in entities(renamed, TEXTS[-1])] == [
        ("person", e.start) for e in plain if e.type == "PER"
    ]


def test_whatever_can_change_an_answer_changes_the_revision(folders: dict[str, Path], tmp_path: Path) -> None:
    other = write_tagger(tmp_path / "bert", "bert", seed=6)
    models = [
        opened(folders["bert"]),
        opened(folders["bert"], aggregation="max"),
        opened(folders["bert"], types={"PER": "person"}),
        opened(other),
    ]
    assert len({model.info.revision for model in models}) == 4
    assert opened(folders["bert"]).info == models[0].info


def test_a_text_that_spells_a_special_token_is_a_text(folders: dict[str, Path]) -> None:
    for family, spelled in (("bert", "[SEP]"), ("roberta", "</s>"), ("deberta-v2", "[SEP]")):
        model = opened(folders[family])
        special = model.prepare([window_of(model, "Anna")])[0].rows[0].ids[-1]
        tokens = model.tokenize([f"Anna {spelled} left"])[0]
        assert special not in tokens.ids
        if family != "deberta-v2":  # its vocabulary has it as a piece, which becomes unknown
            assert len(tokens) > 4, "the letters are read"


def test_the_bytes_of_a_letter_are_not_words_of_their_own(folders: dict[str, Path]) -> None:
    model = opened(folders["roberta"], types={"PER": "name", "LOC": "name"})
    text = "Ünal met Éva and Özgür at 🙂🙂 in Ålesund"
    assert len(model.tokenize([text])[0]) > len(text) / 2
    words = {(start, start + len(word)) for word in text.split() for start in [text.index(word)]}
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    found = entities(model, text)
    assert found
    assert all(entity.start in starts and entity.end in ends for entity in found)


def test_a_piece_that_is_only_a_space_covers_no_letter(folders: dict[str, Path]) -> None:
    model = opened(folders["deberta-v2"])
    tokens = model.tokenize(["zebra"])[0]
    assert tokens.starts.tolist() == [0, 0, 1, 2, 3, 4]
    assert tokens.ends.tolist() == [0, 1, 2, 3, 4, 5]


def test_bilou_labels_are_read_as_what_they_are() -> None:
    labels = ("O", "B-PER", "I-PER", "L-PER", "U-PER", "U-LOC")
    spelled = ["B-PER", "I-PER", "L-PER", "U-PER", "O", "U-LOC", "U-LOC"]
    scores = np.eye(len(labels))[[labels.index(label) for label in spelled]]
    scheme = read_scheme(labels, {})
    groups = group_tokens(scores, np.zeros(len(spelled), dtype=bool), scheme, "first")
    spans = zip(groups.firsts.tolist(), groups.lasts.tolist(), groups.labels.tolist(), strict=True)
    assert [(first, last, scheme.types[label]) for first, last, label in spans] == [
        (0, 2, "PER"),
        (3, 3, "PER"),
        (4, 4, ""),
        (5, 5, "LOC"),
        (6, 6, "LOC"),
    ]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=40),
    st.sampled_from(AGGREGATIONS),
)
def test_groups_hold_every_token_once_and_split_no_word(
    tokens: list[tuple[int, bool]], aggregation: Aggregation
) -> None:
    labels = np.array([label for label, _ in tokens])
    inside = np.array([flag for _, flag in tokens])
    groups = group_tokens(np.eye(5)[labels], inside, read_scheme(("O", "B-A", "I-A", "B-B", "I-B"), {}), aggregation)
    covered = [n for a, b in zip(groups.firsts.tolist(), groups.lasts.tolist(), strict=True) for n in range(a, b + 1)]
    assert covered == list(range(len(tokens)))
    if aggregation != "simple":
        assert not inside[groups.firsts[1:]].any()


@pytest.mark.parametrize(
    ("labels", "types", "told"),
    [
        (("LABEL_0", "LABEL_1"), {}, "no label of LABEL_0"),
        (("O", "B-PER"), {"ORG": "org"}, "the model has PER"),
    ],
)
def test_labels_that_make_no_sense_are_refused(labels: tuple[str, ...], types: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read_scheme(labels, types)


def test_a_label_without_meaning_can_be_told_to_be_none() -> None:
    assert read_scheme(("LABEL_0", "LABEL_1"), {"LABEL_0": ""}).types == ("", "LABEL_1")
