"""An evaluation takes what the product says, as the product says it, and tells what it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas import Entity
from schemas.base import StageName
from tests.fakes.labelled_sets import write_sets
from tests.fakes.tiny_model import ENTITY_TYPES, tiny_loaded, write_tiny
from workers.errors import ConfigurationError
from workers.lifecycle.bootstrap import Bootstrap
from workers.lifecycle.evaluate import Options, evaluate_model
from workers.lifecycle.given import relate_given
from workers.lifecycle.product import Product, open_product
from workers.lifecycle.report import Report
from workers.lifecycle.speed import bare_trunk, measure_speed
from workers.lifecycle.suite import SetTask
from workers.lifecycle.tables import markdown, rows_of
from workers.settings import ModelSettings, Settings, WindowSettings
from workers.stages.results import RelationsResult

WINDOW = WindowSettings(max_tokens=32, overlap_tokens=8)
QUICK = Options(Bootstrap(draws=20))
TEXT = "Ada met Alan in Rome. Grace lives in Oslo with Linus, who was born in Paris. They know Ada. " * 4


def tiny_product() -> Product:
    settings = Settings(model=ModelSettings(precision="fp32", device="cpu"), window=WINDOW)
    return Product(tiny_loaded(), settings)


def evaluated(folder: Path, *forms: str, **told: object) -> Report:
    paths = write_sets(folder / "data")
    settings = Settings(model=write_tiny(folder), window=WINDOW)
    tasks = [SetTask.model_validate({"path": paths[form], **told}) for form in forms]
    return evaluate_model(settings.model.name, tasks, settings, QUICK)


def test_given_its_own_entities_the_model_states_the_relations_that_the_product_states() -> None:
    product = tiny_product()
    model = product.model(StageName.ENTITIES, StageName.RELATIONS)
    (read,) = product.read(model, [TEXT])
    assert len(read.windows) > 2
    for window, own in zip(read.windows, read.column(StageName.RELATIONS, RelationsResult), strict=True):
        entities = [
            Entity(
                id=f"e{number}",
                type=found.type,
                text=window.text[found.start : found.end],
                start=window.start + found.start,
                end=window.start + found.end,
                score=1.0,
            )
            for number, found in enumerate(own.entities)
        ]
        (given,) = relate_given(product.loaded, model, [window], [entities])
        assert [(e.type, e.start, e.end) for e in given.entities] == [(e.type, e.start, e.end) for e in own.entities]
        assert [(r.type, r.head, r.tail) for r in given.relations] == [(r.type, r.head, r.tail) for r in own.relations]
        assert [r.score for r in given.relations] == pytest.approx([r.score for r in own.relations], abs=1e-4)
        assert own.relations


def test_given_entities_that_leave_the_window_or_have_no_type_of_the_model_are_not_asked_about() -> None:
    product = tiny_product()
    model = product.model(StageName.ENTITIES)
    (read,) = product.read(model, [TEXT])
    window = read.windows[1]

    def entity(start: int, end: int, kind: str) -> Entity:
        return Entity(id="e1", type=kind, text="x", start=start, end=end, score=1.0)

    outside = [entity(window.start - 1, window.start + 3, "PER"), entity(window.end - 1, window.end + 1, "PER")]
    unknown = entity(window.start, window.start + 3, "GENE")
    inside = entity(window.start, window.start + 3, ENTITY_TYPES[0])
    (result,) = relate_given(product.loaded, model, [window], [[*outside, unknown, inside]])
    assert [(e.type, e.start, e.end) for e in result.entities] == [(ENTITY_TYPES[0], 0, 3)]


def test_every_form_is_scored_and_the_report_survives_json(tmp_path: Path) -> None:
    report = evaluated(tmp_path, "tagged", "related", "topics", "summaries")
    assert Report.model_validate_json(report.model_dump_json()) == report
    told = {(one.name, figure.task, figure.measure) for one in report.sets for figure in one.figures}
    assert {
        ("tagged", "entities", "f1"),
        ("tagged", "entities", "calibration_error"),
        ("related", "relations", "f1"),
        ("topics", "labels", "accuracy"),
        ("topics", "labels", "auroc"),
        ("summaries", "summary", "rougeLsum"),
    } <= told
    for one in report.sets:
        for figure in one.figures:
            assert 0 <= figure.low <= figure.high <= 100
            assert 0 <= figure.value <= 100
    assert (report.precision, report.draws, len(report.revision)) == ("fp32", 20, 64)
    assert report.sets[1].not_scored == ("no such",)
    assert "/" not in "".join(one.name for one in report.sets)


def test_figures_are_about_the_types_that_the_set_and_the_model_share(tmp_path: Path) -> None:
    tagged, related = evaluated(tmp_path, "tagged", "related").sets
    everything = [figure for figure in tagged.figures if figure.measure == "f1" and figure.type is None]
    assert [(figure.scope, figure.count) for figure in everything] == [("PER LOC", 96)]
    by_type = {figure.type: figure.count for figure in tagged.figures if figure.type and figure.measure == "recall"}
    assert by_type == {"PER": 48, "LOC": 48}
    whole = [
        figure for figure in related.figures if (figure.task, figure.measure, figure.type) == ("relations", "f1", None)
    ]
    facts = {figure.scope: figure.count for figure in whole}
    assert facts["given entities, whole document"] == 12
    assert facts["found entities, whole document"] == 12


def test_twice_the_same_gives_the_same_figures(tmp_path: Path) -> None:
    one, other = (evaluated(tmp_path / folder, "tagged", "summaries") for folder in ("a", "b"))
    assert [s.figures for s in one.sets] == [s.figures for s in other.sets]
    assert [s.sha256 for s in one.sets] == [s.sha256 for s in other.sets]


def test_leading_sentences_are_told_beside_the_models_and_are_no_part_of_the_gate(tmp_path: Path) -> None:
    one, two = (evaluated(tmp_path / str(k), "summaries", sentences=k).sets[0] for k in (1, 2))
    assert {figure.scope for figure in one.figures if figure.baseline} == {"LEAD-1", "LEAD-3"}
    scopes = {figure.scope: figure.gated for figure in two.figures}
    assert scopes == {
        "2 of the text's sentences": True,
        "LEAD-1": False,
        "LEAD-3": False,
        "LEAD, as many sentences": False,
    }


def test_labels_need_a_description_each_and_a_text_of_theirs(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="sport"):
        evaluated(tmp_path, "topics", labels={"business": "Markets."})


def test_a_set_without_a_name_that_the_model_knows_is_refused(tmp_path: Path) -> None:
    names = {"entities": {"person": None, "LOC": None}}
    with pytest.raises(ConfigurationError, match="--map"):
        evaluated(tmp_path / "alone", "tagged", names=names)
    tagged, summaries = evaluated(tmp_path / "both", "tagged", "summaries", names=names).sets
    assert (tagged.figures, tagged.not_scored) == ((), ("LOC", "person"))
    assert summaries.figures


def test_tables_tell_every_scope(tmp_path: Path) -> None:
    report = evaluated(tmp_path, "related", "topics")
    rows = markdown(report).splitlines()
    scopes = {(one.name, f.scope, f.count) for one in report.sets for f in one.figures if f.type is None}
    assert report.revision[:12] in rows[0]
    assert len(rows) == 4 + len(scopes)
    assert sum(len(row) for one in report.sets for row in rows_of(one.figures)) == sum(
        len(s.figures) for s in report.sets
    )


def test_the_price_is_told_for_the_texts_that_are_there(tmp_path: Path) -> None:
    settings = write_tiny(tmp_path)
    speed = measure_speed(open_product(settings.name, Settings(model=settings)), [TEXT], turns=3)
    assert speed.low <= speed.ratio <= speed.high
    assert (speed.turns, speed.threads) == (3, 1)
    assert speed.tokens_per_s > 0


def test_the_bare_trunk_has_all_its_layers_whatever_the_model_kept_of_them() -> None:
    product = open_product("default", Settings())
    shape = product.loaded.config.encoder
    trunk = bare_trunk(product)
    assert len(product.loaded.encoder.plain) < shape.layers - shape.shared_layers
    assert len(trunk.lower) + len(trunk.plain) == shape.layers
