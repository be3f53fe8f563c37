"""Turns one input record into a document, a failure or a tombstone. Never raises, and quotes nothing of the record.

Records are hostile input: size, encoding and nesting are checked before anything is parsed, in linear time.
"""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate

from pydantic import ValidationError
from pydantic_core import from_json

from schemas import Document, FailedStep
from schemas.document import MAX_ID_CHARACTERS
from workers.enrich.outcome import Failure, Tombstone
from workers.settings import LimitSettings
from workers.transport.base import Headers, IncomingRecord

CONTENT_TYPE = "content-type"
PLAIN_TEXT = b"text/plain"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_PROBLEMS = 3  # told in one detail

# The last quote is optional and every repeat possessive, or an unclosed string of quotes would take quadratic time.
JSON_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
MAYBE_NOT_FINITE = re.compile(rb"NaN|Infinity|[eE]\+?\d{3}|\d{309}")  # the largest double has 309 digits
NESTING = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1, ord(":"): 0}
VALUE_MARKS = (b",", b":", b"[", b"{")  # one of them stands before every key and value
NOT_NESTING = bytes(set(range(256)) - NESTING.keys())
POSITION = re.compile(r"line \d+ column \d+")

PROBLEMS = {
    "missing": "is missing",
    "string_type": "is not a string",
    "dict_type": "is not an object",
    "datetime_type": "is not an ISO 8601 time",
    "datetime_parsing": "is not an ISO 8601 time",
    "datetime_from_date_parsing": "is not an ISO 8601 time",
    "timezone_aware": "has no time zone",
    "string_pattern_mismatch": "does not have the form it must have",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "too_long": "has too many keys",
}


def validate(record: IncomingRecord, limits: LimitSettings) -> Document | Failure | Tombstone:
    """Duplicate keys are an error at the top level only; inside `metadata` the last one counts, as JSON parsers do."""
    value = record.value
    if value is None:
        return Tombstone(record)
    if len(value) > limits.max_record_bytes:
        return _failure("record_too_large", f"{len(value)} bytes; limits.max_record_bytes is {limits.max_record_bytes}")
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        return _failure("invalid_utf8", f"byte {error.start} of {len(value)} is not UTF-8")
    if _is_plain_text(record.headers, limits):
        parsed: Document | Failure = Document(id=_plain_text_id(record), text=text)
    else:
        parsed = _parse(value.removeprefix(BYTE_ORDER_MARK), limits)
    return parsed if isinstance(parsed, Failure) else _check_text(parsed, limits)


def _parse(value: bytes, limits: LimitSettings) -> Document | Failure:
    skeleton = JSON_STRING.sub(b"", value)
    depth, keys = _measure(skeleton, first=2 * limits.max_json_values)  # each bracket closes once
    if depth > limits.max_json_depth:
        return _failure("json_too_deep", f"nested {depth} deep; limits.max_json_depth is {limits.max_json_depth}")
    if (values := sum(map(skeleton.count, VALUE_MARKS))) > limits.max_json_values:
        return _failure(
            "json_too_large", f"{values} keys and values; limits.max_json_values is {limits.max_json_values}"
        )
    try:
        document = Document.model_validate_json(value)
    except ValidationError as error:
        return _explain(error, value)
    if MAYBE_NOT_FINITE.search(skeleton) and not _all_finite(value):
        return _failure("invalid_number", "a number is not finite or beyond the range of a double", document.id)
    if keys != len(document.model_fields_set):
        return _failure("duplicate_key", "a key stands twice at the top level", document.id)
    return document


def _check_text(document: Document, limits: LimitSettings) -> Document | Failure:
    characters = len(document.text)
    if characters > limits.max_text_characters:
        limit = f"limits.max_text_characters is {limits.max_text_characters}"
        return _failure("text_too_long", f"`text` has {characters} characters; {limit}", document.id)
    if not document.text or document.text.isspace():
        return _failure("empty_text", f"`text` has {characters} characters, all of them white space", document.id)
    return document


def _is_plain_text(headers: Headers, limits: LimitSettings) -> bool:
    for name, value in reversed(headers):  # the last one counts
        if value is not None and name.lower() == CONTENT_TYPE:
            return value.partition(b";")[0].strip().lower() == PLAIN_TEXT
    return limits.plain_text


def _plain_text_id(record: IncomingRecord) -> str:
    """The key, or where the record stands if the key is no text that an id can be."""
    try:
        key = (record.key or b"").decode()
    except UnicodeDecodeError:
        key = ""
    if 0 < len(key) <= MAX_ID_CHARACTERS:
        return key
    return f"{record.partition.topic}/{record.partition.number}/{record.offset}"[-MAX_ID_CHARACTERS:]


def _measure(skeleton: bytes, *, first: int) -> tuple[int, int]:
    """How deep JSON without its strings is nested, and how many keys its outermost object has, by its `first` marks."""
    if b"[" not in skeleton and skeleton.count(b"{") <= 1:
        return skeleton.count(b"{"), skeleton.count(b":")
    marks = skeleton.translate(None, NOT_NESTING)[:first]
    depths = list(accumulate(map(NESTING.__getitem__, marks)))
    keys = sum(mark == ord(":") and depth == 1 for mark, depth in zip(marks, depths, strict=True))
    return max(depths), keys


def _all_finite(value: bytes) -> bool:
    def refuse(_: str) -> float:
        raise ValueError

    def check(digits: str) -> float:
        return number if math.isfinite(number := float(digits)) else refuse(digits)

    try:
        json.loads(value, parse_float=check, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _explain(error: ValidationError, value: bytes) -> Failure:
    """Built from types and places alone: the messages of pydantic quote their input."""
    problems = error.errors(include_url=False, include_input=False)
    kind, place = problems[0]["type"], problems[0]["loc"]
    if kind == "json_invalid":
        if SURROGATE_ESCAPE.search(value) and _is_json_with_lone_surrogates(value):
            return _failure("invalid_unicode", "a \\u escape is half of a surrogate pair")
        position = POSITION.search(str(problems[0].get("ctx", {}).get("error", "")))
        return _failure("invalid_json", f"not JSON{': ' + position.group() if position else ''}")
    if not place:
        return _failure("invalid_document", "not a JSON object")
    # Only names that the schema knows: the others come from the record.
    details = [
        _tell(str(problem["loc"][0]), problem["type"], problem.get("ctx", {}))
        for problem in problems[:MAX_PROBLEMS]
        if problem["loc"][0] in Document.model_fields
    ]
    return _failure("invalid_document", "; ".join(details) or "an unknown field is not valid", _read_id(value))


def _tell(field: str, kind: str, context: dict[str, object]) -> str:
    limit = next((f"; {name} is {context[name]}" for name in ("min_length", "max_length") if name in context), "")
    return f"`{field}` {PROBLEMS.get(kind, f'is not valid ({kind})')}{limit}"


def _is_json_with_lone_surrogates(value: bytes) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _read_id(value: bytes) -> str | None:
    parsed = from_json(value)
    found = parsed.get("id") if isinstance(parsed, dict) else None
    return found if isinstance(found, str) and 0 < len(found) <= MAX_ID_CHARACTERS else None


def _failure(code: str, detail: str, document_id: str | None = None) -> Failure:
    return Failure(FailedStep.VALIDATE, code, detail, document_id=document_id)
