"""Validation: any bytes end as one of three values, every limit is kept, and nothing of the record is told."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import Document, FailedStep
from workers.enrich.outcome import Failure, Tombstone
from workers.enrich.validate import validate
from workers.settings import LimitSettings
from workers.transport.base import Headers, IncomingRecord, Partition

LIMITS = LimitSettings()
SMALL = LimitSettings(max_record_bytes=200, max_text_characters=20, max_json_depth=4, max_json_values=20)
PLAIN: Headers = (("Content-Type", b"Text/Plain; charset=utf-8"),)
SECRET = "Zebrafish"
CORPUS = Path(os.environ.get("TEST_CORPUS", "nowhere"))  # not ENRICH_: that would be an unknown option


def record(value: bytes | None, *, headers: Headers = (), key: bytes | None = b"key") -> IncomingRecord:
    return IncomingRecord(Partition("documents", 3), 41, None, key, value, headers)


def document_json(**fields: object) -> bytes:
    return json.dumps({"id": "a", "text": "b", **fields}).encode()


def failure_of(value: bytes, limits: LimitSettings = LIMITS, *, headers: Headers = ()) -> Failure:
    found = validate(record(value, headers=headers), limits)
    assert isinstance(found, Failure), found
    assert found.step is FailedStep.VALIDATE
    return found


def document_of(value: bytes, limits: LimitSettings = LIMITS, **parts: object) -> Document:
    found = validate(record(value, **parts), limits)  # type: ignore[arg-type]
    assert isinstance(found, Document), found
    return found


def test_a_record_without_value_is_a_tombstone() -> None:
    assert validate(record(None), LIMITS) == Tombstone(record(None))


def test_a_document_is_read_as_it_was_written() -> None:
    metadata = {"big": 10**40, "deep": [[{"x": None}]], "float": 0.1, "\x00": "\x00"}
    document = document_of(
        document_json(
            text="é😀\x00", title="t", language="de", timestamp="2026-01-31T12:00:00+02:00", metadata=metadata, zz=1
        )
    )
    assert (document.text, document.language, document.metadata) == ("é😀\x00", "de", metadata)
    assert document.timestamp is not None
    assert document.timestamp.isoformat() == "2026-01-31T12:00:00+02:00"
    assert document.unknown_fields == 1


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"id":"a","text":"b"} x', "invalid_json"),
        (b'{"id":"a","text":"\x01"}', "invalid_json"),
        (b'{"id":"a","text":"b","metadata":{"x":' + b"9" * 5_000 + b"}}", "invalid_json"),
        (b'{"id":"a","text":"\xff"}', "invalid_utf8"),
        (b'{"id":"a","text":"\xed\xa0\x80"}', "invalid_utf8"),
        (b'{"id":"a","text":"\\ud800 high"}', "invalid_unicode"),
        (b'{"id":"a","text":"\\udc00\\ud800"}', "invalid_unicode"),
        (b'{"id":"a","text":"b","metadata":{"\\uDFFF":1}}', "invalid_unicode"),
        (b"[]", "invalid_document"),
        (b"null", "invalid_document"),
        (b'"text"', "invalid_document"),
        (b"1e999", "invalid_document"),
        (document_json(id=""), "invalid_document"),
        (document_json(id="a" * 513), "invalid_document"),
        (document_json(id=7), "invalid_document"),
        (document_json(text=None), "invalid_document"),
        (document_json(language="English"), "invalid_document"),
        (document_json(timestamp="2026-01-31T12:00:00"), "invalid_document"),
        (document_json(timestamp=1_700_000_000), "invalid_document"),
        (document_json(metadata=[1]), "invalid_document"),
        (document_json(metadata={str(number): 1 for number in range(65)}), "invalid_document"),
        (b'{"id":"a","text":"b","metadata":{"x":1e999}}', "invalid_number"),
        (b'{"id":"a","text":"b","metadata":{"x":-1E+400}}', "invalid_number"),
        (b'{"id":"a","text":"b","metadata":{"x":' + b"9" * 400 + b".0}}", "invalid_number"),
        (b'{"id":"a","text":"b","metadata":{"x":NaN}}', "invalid_number"),
        (b'{"id":"a","text":"b","zz":[-Infinity]}', "invalid_number"),
        (b'{"id":"a","text":"b","id":"c"}', "duplicate_key"),
        (b'{"id":"a","text":"b","i\\u0064":"c"}', "duplicate_key"),
        (b'{"id":"a","text":"b","metadata":{"x":[1]},"zz":1,"zz":1}', "duplicate_key"),
        (document_json(text=""), "empty_text"),
        (document_json(text=" \n\u2003\t"), "empty_text"),
        (document_json(metadata=json.loads("[" * 31 + "]" * 31)), "invalid_document"),
        (document_json(zz=json.loads("[" * 32 + "]" * 32)), "json_too_deep"),
        (b"[" * 100_000, "json_too_deep"),
        (b'{"a":' * 100_000, "json_too_deep"),
        (document_json(zz=[0] * 50_000), "json_too_large"),
        (document_json(metadata={"x": [[]] * 50_000}), "json_too_large"),
    ],
)
def test_bad_records_are_failures_with_a_code(value: bytes, code: str) -> None:
    assert failure_of(value).code == code


@pytest.mark.parametrize(
    "value",
    [
        b'\xef\xbb\xbf{"id":"a","text":"b"}',
        document_json(metadata={"x": 1e308, "y": "1e999 NaN Infinity", "z": 10**400}),
        document_json(zz=json.loads("[" * 31 + "]" * 31)),
        document_json(text='[{"[[' * 100 + '\\"]'),
        document_json(metadata={"x": 1, "y": {"x": 1, "id": 2}}),
        b'{"id":"a","text":"\\ud83d\\ude00"}',
    ],
)
def test_unusual_records_that_are_right_are_documents(value: bytes) -> None:
    document_of(value)


def test_limits_hold_to_the_byte_the_character_and_the_level() -> None:
    text = document_json(text="x" * 20)
    assert document_of(text.ljust(200), SMALL).text == "x" * 20
    assert failure_of(text.ljust(201), SMALL).code == "record_too_large"
    assert failure_of(document_json(text="x" * 21), SMALL).code == "text_too_long"
    assert document_of(document_json(zz=[[[1]]]), SMALL)
    assert failure_of(document_json(zz=[[[[1]]]]), SMALL).code == "json_too_deep"
    assert document_of(document_json(zz=[1] * 14), SMALL)
    assert failure_of(document_json(zz=[1] * 15), SMALL).code == "json_too_large"
    assert failure_of(b"x" * 21, SMALL, headers=PLAIN).code == "text_too_long"


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        (b" " * 201, "limits.max_record_bytes is 200"),
        (document_json(text="x" * 21), "limits.max_text_characters is 20"),
        (b"[" * 9, "limits.max_json_depth is 4"),
        (document_json(zz=[1] * 15), "limits.max_json_values is 20"),
        (document_json(id=""), "min_length is 1"),
    ],
)
def test_a_failure_tells_the_limit(value: bytes, limit: str) -> None:
    assert limit in failure_of(value, SMALL).detail


def test_a_failure_tells_which_field_and_keeps_the_id() -> None:
    failure = failure_of(b'{"id":"a","language":"x1","text":7}')
    assert failure.detail == "`text` is not a string; `language` does not have the form it must have"
    assert failure.document_id == "a"
    assert failure_of(b"{}").detail == "`id` is missing; `text` is missing"
    assert failure_of(document_json(text="x" * 21), SMALL).document_id == "a"


@pytest.mark.parametrize("headers", [PLAIN, (("content-type", b"application/json"), ("CONTENT-TYPE", b"text/plain"))])
def test_plain_text_is_the_text_and_the_key_its_id(headers: Headers) -> None:
    document = document_of(b'{"not": "json', headers=headers)
    assert (document.id, document.text) == ("key", '{"not": "json')


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"k" * 513])
def test_plain_text_without_a_key_that_can_be_an_id_is_named_by_its_place(key: bytes | None) -> None:
    assert document_of(b"text", headers=PLAIN, key=key).id == "documents/3/41"


def test_the_setting_decides_only_without_a_content_type() -> None:
    plain = LimitSettings(plain_text=True)
    assert document_of(b"text", plain).text == "text"
    assert document_of(b"text", plain, headers=(("content-type", None),)).text == "text"
    assert document_of(document_json(), plain, headers=(("content-type", b"application/json"),)).id == "a"
    assert failure_of(b"text").code == "invalid_json"
    assert failure_of(b" ", plain).code == "empty_text"
    assert failure_of(b"\xff", plain).code == "invalid_utf8"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["id", "text", "title", "language", "timestamp", "source", "metadata"]) | st.text(max_size=3)
right_fields = st.fixed_dictionaries(
    {"id": st.text(min_size=1, max_size=5), "text": st.text(min_size=1)},
    optional={"metadata": st.dictionaries(st.text(max_size=4), json_values, max_size=3), "zz": json_values},
)
json_records = (right_fields | st.dictionaries(names, json_values, max_size=7)).map(
    lambda fields: json.dumps(fields).encode()
)
fragments = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b":",
        b",",
        b"\\ud800",
        b"\xff",
        b"1e999",
        b"NaN",
        b'"id"',
        b'"text"',
        b"\x00",
    ]
)
hostile = st.binary(max_size=100) | json_records | st.lists(fragments, max_size=40).map(b"".join)


@given(hostile, st.sampled_from([(), PLAIN]), st.none() | st.binary(max_size=10), st.sampled_from([LIMITS, SMALL]))
def test_any_bytes_give_one_of_three_values(
    value: bytes, headers: Headers, key: bytes | None, limits: LimitSettings
) -> None:
    found = validate(record(value, headers=headers, key=key), limits)
    assert isinstance(found, Document | Failure)
    if isinstance(found, Document):
        found.text.encode()  # no lone surrogate came through
        assert "Infinity" not in json.dumps(found.metadata)


@given(json_records)
def test_what_the_standard_library_reads_differently_is_not_a_document(value: bytes) -> None:
    found = validate(record(value), LIMITS)
    if isinstance(found, Document):
        expected = json.loads(value)
        assert (found.id, found.text, found.metadata) == (
            expected["id"],
            expected["text"],
            expected.get("metadata", {}),
        )


@pytest.mark.parametrize(
    "value",
    [
        f'{{"id":"a","{SECRET}":1,"text":{{"{SECRET}":"{SECRET}"}}}}'.encode(),
        f'{{"id":"a","text":"{SECRET}","language":"{SECRET}","timestamp":"{SECRET}"}}'.encode(),
        f'{{"id":"a","text":"{SECRET}","metadata":"{SECRET}"}}'.encode(),
        f'{{"id":"a","text":"{SECRET}","{SECRET}":1,"{SECRET}":2}}'.encode(),
        f'{{"id":"a","text":"{SECRET}'.encode(),
        f'{{"id":"a","text":{SECRET}}}'.encode(),
        f'{{"id":"a","text":"{SECRET}\\ud800"}}'.encode(),
        f'{{"id":"a","text":"{SECRET}{"x" * 20}"}}'.encode(),
        SECRET.encode() + b"\xff",
        json.dumps(SECRET).encode(),
    ],
)
def test_no_failure_quotes_the_record(value: bytes) -> None:
    failure = failure_of(value, SMALL)
    assert SECRET not in failure.detail + failure.code


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of hostile texts is not here; set TEST_CORPUS")
@pytest.mark.parametrize("name", ["adversarial", "adversarial_surrogates", "long", "reuters21578"])
def test_every_line_of_the_corpus_is_read_or_refused(name: str) -> None:
    lines = (CORPUS / f"{name}.jsonl").read_bytes().split(b"\n")
    for line in filter(None, lines):
        found = validate(record(line), LIMITS)
        parsed = json.loads(line)
        if name == "adversarial_surrogates":
            assert isinstance(found, Failure)
            assert found.code == "invalid_unicode"
        elif parsed["text"].strip():
            assert isinstance(found, Document)
            assert found.text == parsed["text"]
        else:
            assert isinstance(found, Failure)
            assert found.code == "empty_text"
