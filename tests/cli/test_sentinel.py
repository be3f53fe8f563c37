"""`enrich sentinel`: what it sends carries its answers in a header that a worker passes on."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from schemas import Document, Expectation
from schemas.sentinel import SENTINEL_HEADER
from workers.cli.sentinel import read_sentinels, record_of
from workers.enrich.outgoing import passed_on
from workers.errors import ConfigurationError


def test_the_packaged_sentinels_are_documents_whose_answers_are_in_their_text() -> None:
    for known in read_sentinels(None):
        record = record_of(known, "documents")
        assert Document.model_validate_json(record.value or b"").id == f"sentinel/{known.id}"
        headers = dict(passed_on(record.headers))
        assert Expectation.of_header(headers[SENTINEL_HEADER]) == known.expect
        assert all(entity.text in known.text for entity in known.expect.entities)
        assert "expect" not in orjson.loads(record.value or b"")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 1"),
        ('{"id": "a", "text": "b", "expect": {}}', "at least one known answer"),
        ('{"id": "a", "text": "b", "expect": {"lable": "x"}}', "expect.lable"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "sentinels.jsonl"
    file.write_text(line)
    with pytest.raises(ConfigurationError, match=told):
        read_sentinels(file)
