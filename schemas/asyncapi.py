"""The topics as an AsyncAPI 3 document: what is on them, under which keys and headers. Owns no record's schema."""

from __future__ import annotations

from pydantic import JsonValue

from schemas.base import SCHEMA_VERSION

JsonObject = dict[str, JsonValue]

# The names a worker uses if its settings say nothing else.
INPUT_TOPIC = "documents"
ENRICHED_TOPIC = "documents.enriched"
DEAD_TOPIC = "documents.dead"
CORRECTIONS_TOPIC = "documents.corrections"
ALERTS_TOPIC = "documents.alerts"
CALIBRATIONS_TOPIC = "documents.calibrations"

TRACEPARENT: JsonObject = {
    "type": "string",
    "description": "W3C trace context of the input record, passed on unchanged, as are the producer's other headers.",
    "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
}
ENRICH_RUN: JsonObject = {
    "type": "string",
    "contentMediaType": "application/json",
    "description": "How this run came to the record: worker, segments, cache lookups and hits, seconds per step, Kafka "
    "timestamp of the input record. The only part of a record that may differ when a document is enriched twice.",
}
KEY: JsonObject = {
    "type": "string",
    "description": "The bytes of the input record's key, unchanged: order per key is kept. May be absent.",
}


def describe_topics(*, schemas: JsonValue, examples: dict[str, JsonValue]) -> JsonObject:
    """`schemas` are the records' definitions, which refer to each other below `#/components/schemas`."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Document enrichment",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": "Every record of the input topic gives exactly one record: on the enriched topic if it was "
            "enriched or is a tombstone, on the dead-letter topic otherwise. Read the output topics with "
            "`isolation.level=read_committed`. Topic names are settings of the worker.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "documents": _channel(INPUT_TOPIC, "Documents to enrich.", "document", "plainText", "tombstone"),
            "enriched": _channel(ENRICHED_TOPIC, "Enriched documents.", "enrichedDocument", "tombstone"),
            "dead": _channel(DEAD_TOPIC, "Records that could not be enriched, and why.", "deadLetter"),
            "corrections": _channel(CORRECTIONS_TOPIC, "What readers say of enrichments. Compacted.", "correction"),
            "alerts": _channel(ALERTS_TOPIC, "Enrichments that drifted, and came back.", "driftAlert"),
            "calibrations": _channel(
                CALIBRATIONS_TOPIC, "What corrections say of a model's scores. Compacted.", "calibration"
            ),
        },
        "operations": {
            "readDocuments": _operation("receive", "documents", "document", "plainText", "tombstone"),
            "publishEnriched": _operation("send", "enriched", "enrichedDocument", "tombstone"),
            "publishDeadLetters": _operation("send", "dead", "deadLetter"),
            "readCorrections": _operation("receive", "corrections", "correction"),
            "publishAlerts": _operation("send", "alerts", "driftAlert"),
            "proposeCalibrations": _operation("send", "calibrations", "calibration"),
            "readCalibrations": _operation("receive", "calibrations", "calibration"),
        },
        "components": {"messages": _messages(examples), "schemas": schemas},
    }


def _messages(examples: dict[str, JsonValue]) -> JsonObject:
    return {
        "document": _record(
            "Document", "A document. Unknown fields are let through.", _input_headers("application/json"), examples
        ),
        "plainText": {
            "name": "PlainText",
            "summary": "A document that is nothing but its text. Its id is the key, or topic/partition/offset.",
            "contentType": "text/plain",
            "headers": _input_headers("text/plain", required=True),
            "payload": {"type": "string", "description": "UTF-8"},
            "bindings": _bindings(),
        },
        "tombstone": {
            "name": "Tombstone",
            "summary": "A record without a value: the document is to be forgotten. Forwarded under its key.",
            "headers": {"type": "object", "properties": {"traceparent": TRACEPARENT}},
            "payload": {"type": "null"},
            "bindings": _bindings(),
        },
        "enrichedDocument": _record(
            "EnrichedDocument",
            "A document with everything found in it.",
            _output_headers({"enrich-run": ENRICH_RUN}),
            examples,
        ),
        "deadLetter": _record(
            "DeadLetter", "A record that could not be enriched, with its bytes.", _output_headers({}), examples
        ),
        "correction": _named("Correction", "A verdict on one item of a record.", "The item that is judged.", examples),
        "driftAlert": _named("DriftAlert", "A window no longer looks like the reference.", "The measure.", examples),
        "calibration": _named(
            "Calibration",
            "A change of scores and thresholds, proposed or in force.",
            "Model, revision, state.",
            examples,
        ),
    }


def _named(model: str, summary: str, key: str, examples: dict[str, JsonValue]) -> JsonObject:
    """A record of insights: its key is not that of a document."""
    record = _record(model, summary, {"type": "object"}, examples)
    return record | {"bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}}}


def _record(model: str, summary: str, headers: JsonObject, examples: dict[str, JsonValue]) -> JsonObject:
    return {
        "name": model,
        "summary": summary,
        "contentType": "application/json",
        "headers": headers,
        "payload": {"$ref": f"#/components/schemas/{model}"},
        "examples": [{"payload": examples[model]}],
        "bindings": _bindings(),
    }


def _input_headers(content_type: str, *, required: bool = False) -> JsonObject:
    description = "Told without regard to case; parameters are ignored. Without it the worker's settings decide."
    return {
        "type": "object",
        "properties": {
            "content-type": {"type": "string", "description": description, "examples": [content_type]},
            "traceparent": TRACEPARENT,
        },
        **({"required": ["content-type"]} if required else {}),
    }


def _output_headers(more: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": {
            "content-type": {"type": "string", "const": "application/json"},
            **more,
            "traceparent": TRACEPARENT,
        },
        "required": ["content-type"],
    }


def _bindings() -> JsonObject:
    return {"kafka": {"key": KEY, "bindingVersion": "0.5.0"}}


def _channel(address: str, description: str, *messages: str) -> JsonObject:
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operation(action: str, channel: str, *messages: str) -> JsonObject:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }
