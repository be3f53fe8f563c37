"""A file's form is told from its keys; what does not fit is one line with file, line and reason."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from workers.errors import ConfigurationError
from workers.lifecycle.data import Fact, Mention
from workers.lifecycle.formats import DataFile, ExtractionSet, LabelSet, SummarySet, read_file


def written(folder: Path, *rows: object, name: str = "set.test.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows) + b"\n")
    return path


def read(folder: Path, *rows: object) -> DataFile:
    return read_file(written(folder, *rows))


def test_tags_become_mentions_whether_bio_or_bioes(tmp_path: Path) -> None:
    tags = ["B-PER", "E-PER", "S-LOC", "O", "I-ORG", "I-ORG", "B-ORG", "I-LOC"]
    file = read(tmp_path, {"tokens": [*"abcdefgh"], "tags": tags})
    assert isinstance(file.content, ExtractionSet)
    spans = [(m.start, m.end, m.type) for m in file.content.texts[0].mentions]
    assert spans == [(0, 2, "PER"), (2, 3, "LOC"), (4, 6, "ORG"), (6, 7, "ORG"), (7, 8, "LOC")]
    assert (file.name, file.items, file.content.related, file.content.exhaustive) == ("set.test", 1, False, True)


def test_entities_with_relations_keep_clusters_and_what_was_annotated(tmp_path: Path) -> None:
    entities = [{"start": 0, "end": 1, "type": "PER", "cluster": 4}, {"start": 1, "end": 2, "type": "ORG"}]
    row = {"tokens": ["a", "b"], "entities": entities, "relations": [{"head": 0, "tail": 1, "type": "CEO"}]}
    file = read(tmp_path, row | {"annotated": ["CEO"], "sent_starts": [0, 1]}, row | {"id": 7, "sent_starts": None})
    assert isinstance(file.content, ExtractionSet)
    first, second = file.content.texts
    assert first.mentions == (Mention(0, 1, "PER", 4), Mention(1, 2, "ORG", 1))
    assert first.facts == (Fact(0, 1, "CEO"),)
    assert first.annotated == frozenset({"CEO"})
    assert second.annotated is None
    assert file.content.related
    assert not file.content.exhaustive


def test_an_entity_without_a_name_is_of_another_type(tmp_path: Path) -> None:
    entity = {"start": 0, "end": 1, "type": "place"}
    file = read(tmp_path, {"tokens": ["a"], "entities": [entity | {"named": True}, entity | {"named": False}]})
    assert isinstance(file.content, ExtractionSet)
    assert [m.type for m in file.content.texts[0].mentions] == ["place", "place without a name"]


def test_labels_may_be_numbers_and_texts_may_hold_other_line_ends(tmp_path: Path) -> None:
    file = read(tmp_path, {"text": "one\u2028line\u0085still", "label": 3}, {"text": "b", "label": "x", "id": 1})
    assert isinstance(file.content, LabelSet)
    assert [(topic.text, topic.label) for topic in file.content.topics] == [
        ("one\u2028line\u0085still", "3"),
        ("b", "x"),
    ]


@pytest.mark.parametrize(
    ("fields", "references"),
    [
        ({"summary": "One here. Two there."}, (("One here.", "Two there."),)),
        ({"summary": ["One", "Two"]}, (("One", "Two"),)),
        ({"summary": "A.", "references": ["A.", "B b."]}, (("A.",), ("B b.",))),
        ({"references": [["One", "Two"]]}, (("One", "Two"),)),
    ],
)
def test_summaries_come_in_several_shapes(tmp_path: Path, fields: dict[str, object], references: object) -> None:
    file = read(tmp_path, {"text": "First one. Then more."} | fields)
    assert isinstance(file.content, SummarySet)
    assert file.content.documents[0].references == references
    assert file.content.documents[0].sentences == ("First one.", "Then more.")
    cut = read(tmp_path, {"text": "First one. Then more.", "sents": [[0, 5]]} | fields).content
    assert isinstance(cut, SummarySet)
    assert cut.documents[0].sentences == ("First",)


def test_the_digest_is_of_the_file_and_a_limit_reads_its_first_records(tmp_path: Path) -> None:
    path = written(tmp_path, *({"text": str(number), "label": "a"} for number in range(5)))
    assert read_file(path, 2).items == 2
    assert read_file(path, 2).sha256 == read_file(path).sha256
    path.write_bytes(path.read_bytes() + b"\n")
    assert read_file(path).items == 5


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"text": "a"}], "known forms"),
        ([["a"]], "known forms"),
        ([{"tokens": ["a"], "tags": ["O", "O"]}], ":1: 1 tokens, 2 tags"),
        ([{"tokens": ["a"], "tags": ["PER"]}], ":1: tag 0"),
        ([{"tokens": ["a"], "tags": ["O"]}, {"tokens": ["a"]}], ":2: tags"),
        ([{"tokens": ["a"], "entities": [{"start": 0, "end": 2, "type": "X"}]}], "outside of the tokens"),
        ([{"tokens": ["a"], "entities": [], "relations": [{"head": 0, "tail": 1, "type": "X"}]}], "not there"),
        ([{"text": "a", "summary": None}], "neither summary nor references"),
        ([], "no record"),
    ],
)
def test_what_does_not_fit_is_named_in_one_line(tmp_path: Path, rows: list[object], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as error:
        read(tmp_path, *rows)
    assert "\n" not in str(error.value)


def test_a_broken_or_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_bytes(b"{not json\n")
    with pytest.raises(ConfigurationError, match=r"bad\.jsonl:1: not JSON"):
        read_file(tmp_path / "bad.jsonl")
    with pytest.raises(ConfigurationError, match=r"none\.jsonl"):
        read_file(tmp_path / "none.jsonl")
