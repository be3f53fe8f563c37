"""Where settings come from, and that what cannot work is told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from schemas import StageName
from workers.configuration import Option, as_yaml, load_settings, options
from workers.errors import ConfigurationError
from workers.settings import Settings, TokenClassificationModel


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "enrich.yaml"
    file.write_text("kafka: {group_id: from-file, input_topic: from-file, client_id: from-file}")
    environment = {"ENRICH_KAFKA__INPUT_TOPIC": "from-env", "ENRICH_KAFKA__CLIENT_ID": "from-env", "HOME": "/"}
    kafka = load_settings(file, environment, {"kafka_client_id": "from-flag"}).kafka
    assert (kafka.group_id, kafka.input_topic, kafka.client_id) == ("from-file", "from-env", "from-flag")


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "enrich.yaml"
    file.write_text("batch: {max_items: 7}")
    assert load_settings(environment={"ENRICH_CONFIG": str(file)}).batch.max_items == 7


def test_text_becomes_the_type_of_the_option() -> None:
    settings = load_settings(
        environment={
            "ENRICH_STAGES__CLASSIFICATION__LABELS": '{"a": "First.", "b": "Second."}',
            "ENRICH_STAGES__SUMMARY__ENABLED": "false",
            "ENRICH_WINDOW__MAX_TOKENS": "128",
        }
    )
    assert settings.stages.classification.labels == {"a": "First.", "b": "Second."}
    assert settings.stages.summary.enabled is False
    assert settings.window.max_tokens == 128


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"ENRICH_KAFKA__GRUOP_ID": "x"}, "did you mean ENRICH_KAFKA__GROUP_ID"),
        ({"ENRICH_WINDOW__MAX_TOKENS": "9999"}, "window.max_tokens"),
        ({"ENRICH_KAFKA__PUBLISH_DEADLINE_MS": "30000"}, "lower the first or raise the second"),
        ({"ENRICH_KAFKA__DEAD_TOPIC": "documents"}, "must differ"),
        ({"ENRICH_KAFKA__SECURITY_PROTOCOL": "SASL_SSL"}, "kafka.sasl_password"),
        ({"ENRICH_STAGES__ENTITIES__ENABLED": "false"}, "stages.relations needs stages.entities"),
        ({"ENRICH_LIMITS__MAX_RECORD_BYTES": "99999999"}, "epoch.max_in_flight_bytes"),
    ],
)
def test_what_cannot_work_is_one_line_that_says_what_to_do(environment: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_settings(environment=environment)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


NER = "ner: {kind: token-classification, name: ner}"


def test_a_file_names_a_model_per_stage(tmp_path: Path) -> None:
    file = tmp_path / "enrich.yaml"
    file.write_text(f"models: {{{NER}}}\nstages: {{entities: {{model: ner}}}}")
    settings = load_settings(file)
    assert isinstance(settings.models["ner"], TokenClassificationModel)
    assert settings.lanes()["ner"] == (StageName.ENTITIES,)
    again = tmp_path / "again.yaml"
    again.write_text(as_yaml(settings))
    assert load_settings(again).models == settings.models


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("models: {a: {name: x}}", "models.a: needs `kind`"),
        ("models: {a: {kind: no-such, name: x}}", "'token-classification'"),
        ("models: {a: {kind: zero-shot, nmae: x, name: x}}", "nmae: is no option"),
        ("models: {a: {kind: zero-shot, name: x, hypothesis: about it}}", "neither {label} nor {description}"),
        ("models: {default: {kind: zero-shot, name: x}}", "choose another name"),
        ("models: {'a b': {kind: zero-shot, name: x}}", "models.a b"),
        ("stages: {entities: {model: ner}}", "stages.entities.model=ner is not in models"),
        (f"models: {{{NER}}}\nstages: {{summary: {{model: ner}}}}", "stages.summary.model=ner serves entities only"),
        (
            "models: {a: {kind: zero-shot, name: x, window: {max_tokens: 8190}}}\nbatch: {max_padded_tokens: 600}",
            "models.a",
        ),
    ],
)
def test_models_that_cannot_work_are_one_line(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "enrich.yaml"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as raised:
        load_settings(file)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_option_in_the_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "enrich.yaml"
    file.write_text("kafka: {grup_id: x}")
    with pytest.raises(ConfigurationError, match=r"kafka.grup_id.*did you mean kafka.group_id"):
        load_settings(file)


@pytest.mark.parametrize("content", ["- a list", "kafka: [", "kafka: 5"])
def test_a_file_that_is_no_configuration_is_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "enrich.yaml"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as raised:
        load_settings(file)
    assert "\n" not in str(raised.value)


def test_secrets_are_not_shown() -> None:
    settings = load_settings(environment={"ENRICH_CACHE__REDIS_URL": "redis://:hunter2@host/0"})
    assert "hunter2" not in as_yaml(settings)
    assert "hunter2" not in repr(settings)
    with pytest.raises(ConfigurationError) as raised:
        load_settings(environment={"ENRICH_CACHE__SECRET": "hunter2", "ENRICH_CACHE__TTL_S": "hunter2"})
    assert "hunter2" not in str(raised.value)


def test_what_is_shown_can_be_read_again() -> None:
    shown = Settings.model_validate(yaml.safe_load(as_yaml(Settings())))
    assert shown.model_dump(exclude={"cache"}) == Settings().model_dump(exclude={"cache"})


@pytest.mark.parametrize("option", list(options()), ids=lambda option: option.flag)
def test_every_option_says_what_it_is(option: Option) -> None:
    assert len(option.description) > 10
    assert option.default
