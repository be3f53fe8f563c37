"""Writes the contracts down for those who do not read Python: JSON Schema of each record, AsyncAPI of the topics.

The same models give the same bytes, so the files can be checked in and compared. Needs pydantic and nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import JsonValue
from pydantic.json_schema import models_json_schema

from schemas import examples
from schemas.asyncapi import describe_topics
from schemas.base import SCHEMA_VERSION, FrozenRecord

JsonObject = dict[str, JsonValue]
Mode = Literal["validation", "serialization"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ASYNCAPI_FILE = "asyncapi.json"

# Producers are told what is accepted, consumers what is written: there every field is present.
RECORDS: dict[str, tuple[FrozenRecord, Mode]] = {
    "document": (examples.DOCUMENT, "validation"),
    "enriched_document": (examples.ENRICHED_DOCUMENT, "serialization"),
    "dead_letter": (examples.DEAD_LETTER, "serialization"),
    "correction": (examples.CORRECTION, "validation"),
    "drift_alert": (examples.DRIFT_ALERT, "serialization"),
    "calibration": (examples.CALIBRATION, "serialization"),
}


def generate() -> dict[str, str]:
    """The text of every file, by file name."""
    files = {f"{name}.schema.json": _text(json_schema(name)) for name in RECORDS}
    files[ASYNCAPI_FILE] = _text(asyncapi())
    return files


def json_schema(name: str) -> JsonObject:
    """The JSON Schema, draft 2020-12, of one of `RECORDS`, with an example."""
    example, mode = RECORDS[name]
    return {
        "$schema": DIALECT,
        "$id": f"urn:enrich-workers:{name}:{SCHEMA_VERSION}",
        **type(example).model_json_schema(mode=mode),
        "examples": [example.model_dump(mode="json")],
    }


def asyncapi() -> JsonObject:
    """The AsyncAPI 3 document of the topics; complete in itself."""
    models = [(type(example), mode) for example, mode in RECORDS.values()]
    _, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")
    return describe_topics(
        schemas=definitions["$defs"],
        examples={type(example).__name__: example.model_dump(mode="json") for example, _ in RECORDS.values()},
    )


def write(folder: Path) -> list[Path]:
    """Write all files; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in generate().items():
        path = folder / name
        path.write_text(text, encoding="utf-8", newline="\n")
        paths.append(path)
    return paths


def check(folder: Path) -> list[str]:
    """Names of files that are missing, differ from what the models say, or have no model any more."""
    expected = generate()
    found = {path.name: path.read_bytes().decode("utf-8", "replace") for path in folder.glob("*.json")}
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def _text(value: JsonObject) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
