"""The benchmarks of model and worker, on models of no weight: that they run and count right, never how fast."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks import mix, peers, throughput
from benchmarks.ceiling import best_budget, seconds_of, sorted_batches, windows_of
from benchmarks.checkpoints import write_checkpoints
from benchmarks.clock import ClockModel
from benchmarks.documents import Sample, cut_to_words, write_samples
from benchmarks.glue import Glue
from benchmarks.growth import FACTORS, measure_growth
from benchmarks.limit import measure, report_of
from benchmarks.overhead import LOCK, Spent, compiled_ms, module_of, profile_pipeline, shown_profile
from benchmarks.peak import Multiplier, Product, shape_of_encoder
from benchmarks.runs import Run, run_file
from benchmarks.scale import rows_of as scale_rows
from benchmarks.scale import series_of
from tests.fakes.tiny_model import LAYERS, WIDTH, tiny_config, tiny_loaded, tiny_model, tiny_trunk
from workers.models.base import ModelInfo
from workers.settings import DEFAULT_MODEL, Settings

SETTINGS = Settings()
TEXT = "Ada Lovelace met Charles Babbage in London. They spoke of engines. " * 12
SAMPLES = [Sample(f"d{n}", f"Note {n}. {TEXT[: 60 * (n + 1)]}", "en") for n in range(12)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_samples(tmp_path / "documents.jsonl", SAMPLES)


def test_the_clock_takes_the_time_it_is_told() -> None:
    slept: list[float] = []
    model = ClockModel(1_000.0, 0.5, sleep=slept.append)
    windows = windows_of(SETTINGS, {DEFAULT_MODEL: model}, SAMPLES[:1])
    batches = sorted_batches(model, windows, budget=512)
    seconds_of(model, batches.batches)
    assert slept == [pytest.approx(0.5 + batches.padded_tokens / 1_000)]
    assert ClockModel().pass_takes_s(10**6) == 0.0


def test_the_ceiling_runs_every_window_once_in_batches_of_one_length() -> None:
    model = tiny_model()
    windows = windows_of(SETTINGS, {DEFAULT_MODEL: model}, SAMPLES)
    batches = sorted_batches(model, windows, budget=256)
    assert sum(len(batch) for batch in batches.batches) == len(windows) >= len(SAMPLES)
    assert all(len({item.area for item in batch}) == 1 for batch in batches.batches)
    assert 0 < batches.padding_waste < 1
    assert best_budget(model, windows, budgets=(64, 128)) in (64, 128)
    shape = shape_of_encoder(tiny_loaded().encoder)
    assert shape.products[0] == Product(WIDTH, 3 * WIDTH, 2 * LAYERS - 2)
    limit = measure(model, batches, Multiplier(shape, tokens=64, precision="fp32", device="cpu"), turns=2)
    report = report_of(limit, batches, shape, command="", machine={})
    assert len(report.rows) == 2
    assert min(limit.peak) > 0


def test_a_run_counts_every_document_and_what_it_took(source: Path) -> None:
    models = {DEFAULT_MODEL: ClockModel()}
    run = run_file(SETTINGS, models, source, documents=len(SAMPLES))
    assert run.documents == len(SAMPLES)
    assert 0 < run.padding_waste < 1
    assert 0 <= run.device_share <= 1
    ceiling = throughput.ceiling_run(SETTINGS, models, SAMPLES)()
    assert ceiling.useful_tokens == run.useful_tokens
    rows = throughput.rows_of({"ceiling": [ceiling], "run": [run]})
    assert [row[0] for row in rows] == ["ceiling", "run"]


def test_a_dead_letter_is_no_measurement(tmp_path: Path) -> None:
    source = write_samples(tmp_path / "bad.jsonl", [Sample("", "x")])
    with pytest.raises(RuntimeError, match="dead-lettered"):
        run_file(SETTINGS, {DEFAULT_MODEL: ClockModel()}, source, documents=1)


def test_one_length_in_64_is_long() -> None:
    lengths = mix.lengths_of(128)
    changed = [n for n in range(128) if lengths[mix.MIXED][n] != lengths[mix.NONE_LONG][n]]
    assert changed == [32, 96]
    assert mix.naive_waste([10, 10, 10, 70], size=4) == 1 - 100 / 280
    run = Run(1, 1.0, 1.0, 50, 100, 10, 0.5)
    kinds = (mix.NONE_LONG, mix.MIXED)
    rows = mix.rows_of({kind: [run] for kind in kinds}, dict.fromkeys(kinds, 0.5))
    assert [row[0] for row in rows] == [*kinds]


def test_peers_answer_every_document(tmp_path: Path) -> None:
    checkpoints = write_checkpoints(
        tmp_path,
        tiny_trunk(),
        entity_types=["PER", "LOC"],
        relation_types=["knows"],
        labels=["sport", "business"],
        shape=tiny_config().encoder,
    )
    glue = Glue(checkpoints, dtype=torch.float32)
    texts = [SAMPLES[0].text, SAMPLES[3].text, "One sentence."]
    one, many = glue.one_by_one(texts), glue.in_batches(texts, size=2)
    assert [len(record["summary"]) for record in one] == [len(record["summary"]) for record in many]
    assert all(len(record["labels"]) == 2 for record in one + many)
    assert peers.rate_of(glue.one_by_one, texts)() > 0


def test_a_pass_per_task_is_four_lanes() -> None:
    assert sorted(len(stages) for stages in peers.four_passes(SETTINGS).lanes().values()) == [1, 1, 1, 1]


def test_missing_peers_are_told_and_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert peers.spacy_rate([TEXT]) == "spaCy is not installed"
    monkeypatch.undo()
    assert peers.faust_is_missing(Path(sys.executable)) in (None, "faust-streaming is not installed")
    rows = peers.rows_of({peers.OURS: [2.0], "(a)": [1.0]}, {"(f)": "not installed"})
    assert [row[0] for row in rows] == [peers.OURS, "(a)", "(f): skipped, not installed"]


def test_peers_get_only_what_our_model_reads() -> None:
    german = Sample("de", "Der Minister sprach am Montag in Berlin über die Lage der Wirtschaft und die Steuern.")
    info = ModelInfo("m", "0", "fp32", frozenset({"en"}))
    assert peers.readable_samples([german, SAMPLES[5]], info) == [SAMPLES[5]]


def test_growth_is_measured_for_every_size(tmp_path: Path) -> None:
    growths = measure_growth(SETTINGS, SAMPLES, tmp_path, documents=2, turns=1)
    assert [growth.grown for growth in growths] == ["documents", "labels", "words"]
    assert all(len(growth.cost_ms) == len(FACTORS) for growth in growths)
    rates = {1: [10.0], 2: [18.0]}
    assert len(scale_rows(rates, growths)) == 2 + 3 * len(FACTORS)
    assert series_of(rates, growths)["documents/s per worker, by workers"] == [(1, 1.0), (2, pytest.approx(0.9))]


def test_the_profile_names_our_functions_without_paths() -> None:
    rows = profile_pipeline(SETTINGS, ClockModel(), cut_to_words(SAMPLES, [50] * 4))
    assert any(row.function.startswith("workers.enrich.pipeline:") for row in rows)
    assert not any("/" in row.function for row in rows if row.function.startswith("workers"))
    assert "| function |" in shown_profile(rows, top=3)
    waited, compiled, own = (
        Spent(LOCK, 2.0, 2.0, 1.0),
        Spent("<built-in method x>", 0.5, 9.0, 1.0),
        Spent("a:b", 1.0, 1.0, 1.0),
    )
    assert compiled_ms([waited, compiled, own]) == (0.5, 1.5)
    assert module_of("/somewhere/site-packages/pydantic/main.py") == "pydantic.main:"
    assert module_of("~") == ""


def test_an_infinite_speed_takes_no_time() -> None:
    never: Callable[[float], None] = lambda seconds: pytest.fail("slept")  # noqa: E731
    assert ClockModel(math.inf, sleep=never).forward([]) is None  # type: ignore[func-returns-value]
