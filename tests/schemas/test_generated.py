"""The generated contracts: up to date, whole, and true of every record that the models can write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import JsonValue, ValidationError

import schemas
from schemas import (
    Classification,
    Coverage,
    DeadLetter,
    Document,
    EnrichedDocument,
    Entity,
    FailedStep,
    FrozenRecord,
    HeaderValue,
    Label,
    Language,
    OffsetUnit,
    Origin,
    Payload,
    Receipt,
    RecordWarning,
    Relation,
    Span,
    StageName,
    Summary,
    asyncapi,
    examples,
    generate,
)
from workers.settings import KafkaSettings

GENERATED = Path(schemas.__file__).parent / "generated"


def read(name: str) -> dict[str, JsonValue]:
    parsed = json.loads((GENERATED / name).read_bytes())
    assert isinstance(parsed, dict)
    return parsed


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(read(f"{name}.schema.json"), format_checker=FormatChecker())


VALIDATORS = {EnrichedDocument: validator("enriched_document"), DeadLetter: validator("dead_letter")}


def test_the_checked_in_files_are_what_the_models_say() -> None:
    assert generate.check(GENERATED) == [], "run `enrich schema` and check the files in"


def test_drift_is_told_by_file(tmp_path: Path) -> None:
    generate.write(tmp_path)
    assert generate.check(tmp_path) == []
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "document.schema.json").unlink()
    (tmp_path / "forgotten.schema.json").write_bytes(b"\xff")
    assert generate.check(tmp_path) == ["asyncapi.json", "document.schema.json", "forgotten.schema.json"]


@pytest.mark.parametrize("name", generate.RECORDS)
def test_each_schema_is_valid_and_its_examples_fit(name: str) -> None:
    schema = read(f"{name}.schema.json")
    Draft202012Validator.check_schema(schema)
    assert isinstance(schema["examples"], list)
    for example in schema["examples"]:
        validator(name).validate(example)


def test_the_spans_of_the_example_quote_its_text() -> None:
    record = examples.ENRICHED_DOCUMENT
    assert record.text is not None
    assert [record.text[entity.start : entity.end] for entity in record.entities] == [e.text for e in record.entities]
    assert record.summary is not None
    assert [record.text[span.start : span.end] for span in record.summary.sentences] == [record.summary.text]


# What a consumer with nothing but the schema must notice.
@pytest.mark.parametrize(
    "change",
    [{"id": None}, {"surprise": 1}, {"entities": [{"start": 0}]}, {"offset_unit": "bytes"}, {"schema_version": "2"}],
)
def test_the_schema_refuses_what_is_not_an_enriched_document(change: dict[str, JsonValue]) -> None:
    record = examples.ENRICHED_DOCUMENT.model_dump(mode="json")
    assert VALIDATORS[EnrichedDocument].is_valid(record)
    assert not VALIDATORS[EnrichedDocument].is_valid(record | change)
    record.pop("warnings")
    assert not VALIDATORS[EnrichedDocument].is_valid(record)


text = st.text(max_size=10)
counts = st.integers(0, 2**53)
scores = st.floats(0, 1)
zones = st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes)))  # all that ISO 8601 can write
times = st.none() | st.datetimes(timezones=zones)
metadata = st.dictionaries(
    text,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)
spans = st.builds(Span, start=counts, end=counts)
origins = st.builds(Origin, topic=text, partition=counts, offset=counts)
labels = st.lists(st.builds(Label, name=text, score=scores), max_size=2).map(tuple)


def tuples(values: st.SearchStrategy[FrozenRecord]) -> st.SearchStrategy[tuple[FrozenRecord, ...]]:
    return st.lists(values, max_size=2).map(tuple)


enriched_documents = st.builds(
    EnrichedDocument,
    id=text,
    text=st.none() | text,
    title=st.none() | text,
    timestamp=times,
    source=st.none() | text,
    metadata=metadata,
    origin=origins,
    offset_unit=st.sampled_from(OffsetUnit),
    language=st.builds(Language, code=st.from_regex("[a-z]{2,3}", fullmatch=True), score=scores, given=st.booleans()),
    entities=tuples(st.builds(Entity, id=text, type=text, text=text, start=counts, end=counts, score=scores)),
    relations=tuples(st.builds(Relation, head=text, tail=text, type=text, score=scores, evidence=spans)),
    classification=st.none() | st.builds(Classification, labels=labels, abstained=st.booleans(), candidates=labels),
    summary=st.none()
    | st.builds(Summary, text=text, kind=st.sampled_from(["extractive", "abstractive"]), sentences=tuples(spans)),
    coverage=st.dictionaries(
        st.sampled_from(StageName),
        st.builds(Coverage, segments=counts, characters_seen=counts, characters=counts),
    ),
    receipts=tuples(
        st.builds(
            Receipt,
            stage=st.sampled_from(StageName),
            model=text,
            revision=text,
            precision=text,
            settings=text,
            thresholds=st.dictionaries(text, st.floats(allow_nan=False, allow_infinity=False), max_size=2),
            code=text,
        )
    ),
    warnings=tuples(st.builds(RecordWarning, code=text, detail=text, stage=st.none() | st.sampled_from(StageName))),
)
dead_letters = st.builds(
    DeadLetter,
    id=st.none() | text,
    stage=st.sampled_from(FailedStep),
    code=text,
    detail=text,
    attempts=st.integers(1, 9),
    origin=origins,
    timestamp_ms=st.none() | st.integers(-1, 2**53),
    key=st.none() | text,
    headers=tuples(st.builds(HeaderValue, name=text, value=st.none() | text)),
    payload=st.builds(
        Payload, encoding=st.sampled_from(["utf-8", "base64"]), data=st.none() | text, size_bytes=counts, sha256=text
    ),
)


@given(enriched_documents | dead_letters)
def test_every_record_fits_its_schema_and_reads_back_as_it_was(record: EnrichedDocument | DeadLetter) -> None:
    written = record.model_dump_json()
    VALIDATORS[type(record)].validate(json.loads(written))
    assert type(record).model_validate_json(written) == record


document_fields = st.fixed_dictionaries(
    {"id": st.text(max_size=3), "text": text},
    optional={
        "title": st.none() | text,
        "language": st.none() | st.sampled_from(["en", "und", "EN", "english", ""]),
        "source": st.none() | text,
        "metadata": metadata,
        "zz": metadata,
        "timestamp": st.none() | st.sampled_from(["2026-01-31T12:00:00Z", "2026-01-31T12:00:00+01:00"]),
    },
)


@given(
    document_fields | st.dictionaries(st.sampled_from(["id", "text", "title", "metadata"]), st.none() | text | counts)
)
def test_the_schema_of_documents_accepts_what_the_worker_accepts(fields: dict[str, JsonValue]) -> None:
    try:
        Document.model_validate_json(json.dumps(fields))
        accepted = True
    except ValidationError:
        accepted = False
    assert validator("document").is_valid(fields) == accepted


def references(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(target := value.get("$ref"), str):
            yield target
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolve(document: JsonValue, reference: str) -> JsonValue:
    assert reference.startswith("#/"), reference
    for part in reference.removeprefix("#/").split("/"):
        assert isinstance(document, dict)
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


@pytest.mark.parametrize("name", sorted(generate.generate()))
def test_every_reference_leads_somewhere_in_the_same_file(name: str) -> None:
    document = read(name)
    for reference in references(document):
        assert resolve(document, reference) is not None


def test_the_messages_of_the_topics_are_the_records() -> None:
    document = read("asyncapi.json")
    models = {"document": "document", "enrichedDocument": "enriched_document", "deadLetter": "dead_letter"}
    for message, name in models.items():
        payload = resolve(document, f"#/components/messages/{message}/payload")
        whole = {**document, **(payload if isinstance(payload, dict) else {})}  # so that its references resolve
        example = generate.RECORDS[name][0].model_dump(mode="json")
        assert Draft202012Validator(whole).is_valid(example)
        assert not Draft202012Validator(whole).is_valid({"id": 7})


def test_operations_use_messages_that_their_channel_has() -> None:
    document = read("asyncapi.json")
    assert document["asyncapi"] == "3.0.0"
    operations = document["operations"]
    assert isinstance(operations, dict)
    assert len(operations) == 7
    for operation in operations.values():
        assert isinstance(operation, dict)
        channel = operation["channel"]
        assert isinstance(channel, dict)
        messages = operation["messages"]
        assert isinstance(messages, list)
        assert all(target.startswith(f"{channel['$ref']}/messages/") for target in references(messages))


def test_topics_are_named_as_in_the_settings() -> None:
    settings = KafkaSettings()
    assert settings.input_topic == asyncapi.INPUT_TOPIC
    assert settings.enriched_topic == asyncapi.ENRICHED_TOPIC
    assert settings.dead_topic == asyncapi.DEAD_TOPIC
