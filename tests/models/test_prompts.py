"""Prompts that a document cannot leave, and templates of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import StageName
from tests.fakes.prompted import VOCABULARY
from workers.errors import ConfigurationError
from workers.models.prompts import CLOSED, MARKUP, OPENED, Vocabulary, escape, load_prompt

HOSTILE = st.lists(
    st.sampled_from(
        [*"<>/|[] \n｜aZ", "document", "</document>", "<|im_end|>", "<s>", "[INST]", "user", "<<SYS>>", "<DOCUMENT >"]
    )
).map("".join)


@pytest.mark.parametrize("stage", StageName)
def test_the_packaged_templates_hold_the_document_and_the_vocabulary(stage: StageName) -> None:
    prompt = load_prompt(stage, VOCABULARY)
    whole = prompt.user("The text.")
    assert f"{OPENED}The text.{CLOSED}" in whole
    assert "$" not in prompt.system + whole
    named = {
        StageName.ENTITIES: "- LOC: A place.",
        StageName.RELATIONS: "- lives_in: Head lives in tail.",
        StageName.CLASSIFICATION: "- sport: Matches.\n- art\n",
        StageName.SUMMARY: "at most 2 sentences",
    }
    assert named[stage] in prompt.system


@given(HOSTILE)
def test_a_document_closes_no_delimiter_and_opens_no_turn(text: str) -> None:
    escaped = escape(text)
    assert not [m for m in MARKUP.finditer(escaped) if not escaped[m.end() :].startswith(" ")]
    assert "</document>" not in escaped
    assert "<|" not in escaped
    assert load_prompt(StageName.SUMMARY, VOCABULARY).user(escaped).count(CLOSED.strip()) == 1


@given(HOSTILE)
def test_escaping_adds_spaces_and_nothing_else(text: str) -> None:
    assert escape(text).replace(" ", "") == text.replace(" ", "")


@given(st.text())
def test_control_tokens_of_a_tokenizer_are_broken(text: str) -> None:
    tokens = ("<|im_end|>", "<extra_id_0>", "[unused1]")
    escaped = escape(f"{text}<extra_id_0>{text}[unused1]", tokens)
    assert not any(token in escaped for token in tokens)
    escaped.encode()  # a lone surrogate cannot be sent


def test_a_placeholder_in_a_document_or_a_description_stays_what_it_is() -> None:
    prompt = load_prompt(StageName.ENTITIES, Vocabulary({"PER": "${text} costs $5"}))
    assert "${text} costs $5" in prompt.system
    assert "${entity_types}" in prompt.user("${entity_types}")


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("user = 'no place'", "must have ${text}"),
        ("user = '${text} ${text}'", "must have ${text}"),
        ("system = '${text}'\nuser = '${text}'", "must have ${text}"),
        ("user = '${text} ${labels}'", "unknown placeholder labels"),
        ("user = '${text} $ 5'", "write $$"),
        ("user = 1", "is not TOML"),
        ("usr = '${text}'", "is not TOML"),
        ("not toml", "is not TOML"),
    ],
)
def test_a_template_that_cannot_work_is_told_in_one_line(tmp_path: Path, template: str, told: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(template, encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_prompt(StageName.ENTITIES, VOCABULARY, own)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigurationError, match="cannot read template"):
        load_prompt(StageName.ENTITIES, VOCABULARY, tmp_path / "missing.toml")


def test_an_own_template_takes_the_place_of_the_packaged_one(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("user = 'Types: ${entity_types}, $$5. ${text} Now.'", encoding="utf-8")
    prompt = load_prompt(StageName.ENTITIES, VOCABULARY, own)
    assert prompt.system == ""
    assert prompt.user("x") == "Types: - PER: A person.\n- LOC: A place., $5. <document>\nx\n</document> Now."
    assert prompt.digest != load_prompt(StageName.ENTITIES, VOCABULARY).digest


# --- replies
