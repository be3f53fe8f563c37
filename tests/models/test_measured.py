"""The number format by measurement: a clear margin decides, a machine measures once, and nothing stops its start."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workers.models import measured
from workers.models.measured import MARGIN, FloatFormat, Verdict, decide, measure, verdict_for
from workers.models.precision import auto_precision, choose_precision

speeds = st.floats(1.0, 1e6)


@given(speeds, speeds, st.sampled_from(["fp32", "bf16"]))
def test_the_usual_format_stays_unless_the_other_is_clearly_faster(
    fp32: float, bf16: float, usual: FloatFormat
) -> None:
    found = decide(usual, {"fp32": fp32, "bf16": bf16})
    own, other = (fp32, bf16) if usual == "fp32" else (bf16, fp32)
    assert (found == usual) == (other < MARGIN * own or own >= other)


@pytest.mark.parametrize("usual", ["fp32", "bf16"])
def test_without_speeds_the_usual_format_stays(usual: FloatFormat) -> None:
    assert decide(usual, {}) == usual


def test_equal_speeds_give_each_format_the_same_number() -> None:
    ticks = itertools.count()
    found = measure(clock=lambda: next(ticks) * 0.125)
    assert found == {"fp32": 8 * 64 / 0.125, "bf16": 8 * 64 / 0.125}


def told(clock: dict[str, int]) -> Callable[[], float]:
    def now() -> float:
        clock["asked"] += 1
        return clock["asked"] * 0.5

    return now


def test_a_machine_measures_once(tmp_path: Path) -> None:
    memory, asked = tmp_path / "deep" / "precision.json", {"asked": 0}
    first = verdict_for("bf16", memory=memory, clock=told(asked))
    assert first.format == "bf16"  # this clock finds both equally fast
    assert set(first.tokens_per_s) == {"fp32", "bf16"}
    before = asked["asked"]
    assert verdict_for("bf16", memory=memory, clock=told(asked)) == first
    assert asked["asked"] == before


@pytest.mark.parametrize("content", ["", "no json", "[]", '{"x": 1}', '{"x": {"format": "fp64"}}'])
def test_a_memory_that_cannot_be_read_is_no_memory(tmp_path: Path, content: str) -> None:
    memory = tmp_path / "precision.json"
    memory.write_text(content, encoding="utf-8")
    assert verdict_for("fp32", memory=memory, clock=told({"asked": 0})).tokens_per_s
    assert len(json.loads(memory.read_bytes())) == 1


def test_a_memory_that_cannot_be_written_keeps_nobody_from_starting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert verdict_for("fp32", memory=tmp_path / "file" / "precision.json", clock=told({"asked": 0})).format == "fp32"


def test_other_machines_and_versions_are_kept_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "precision.json"
    verdict_for("fp32", memory=memory, clock=told({"asked": 0}))
    monkeypatch.setattr(torch, "__version__", "99")
    verdict_for("fp32", memory=memory, clock=told({"asked": 0}))
    assert len(json.loads(memory.read_bytes())) == 2


@pytest.mark.parametrize("usual", ["fp32", "bf16"])
def test_where_nothing_can_be_measured_the_usual_format_is_taken(
    usual: FloatFormat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> dict[FloatFormat, float]:
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(measured, "measure", broken)
    memory = tmp_path / "precision.json"
    assert verdict_for(usual, memory=memory) == Verdict(format=usual)
    assert not memory.exists()  # the next start tries again


def test_what_is_asked_for_is_not_measured() -> None:
    for asked in ("fp32", "bf16"):
        assert choose_precision(asked, torch.device("cpu")) == asked
    assert choose_precision("auto", torch.device("cpu")) == auto_precision(torch.device("cpu")).format


def test_a_verdict_says_why() -> None:
    assert "by the instructions" in Verdict(format="bf16").describe()
    spoken = Verdict(format="fp32", tokens_per_s={"fp32": 15_000.4, "bf16": 9_000}).describe()
    assert spoken.startswith("fp32, by measurement")
    assert "bf16 9,000, fp32 15,000" in spoken
