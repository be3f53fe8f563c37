"""`enrich plan`: what it prints for a profile, what it refuses, and that it measures the worker and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_commands import enrich
from tests.fakes.pipelines import oracle
from workers.cli.plan_measure import measure_profile
from workers.planning.profile import Profile, load_profile, profile_names
from workers.planning.queueing import Lengths
from workers.settings import DEFAULT_MODEL, BatchSettings, Settings

PROFILE = Profile(name="p", machine="m", command="c", tokens_per_s=5_000, epoch_s=0.05)


@pytest.fixture
def profile(tmp_path: Path) -> str:
    path = tmp_path / "profile.json"
    path.write_text(PROFILE.model_dump_json())
    return str(path)


def planned(profile: str, *more: str, tokens: str = "350,2000", latency_ms: str = "4000") -> tuple[int, str]:
    done = enrich(
        "plan", "--docs-per-second", "50", "--tokens", tokens, "--latency-ms", latency_ms, "--profile", profile, *more
    )
    assert b"Traceback" not in done.stderr
    return done.returncode, (done.stdout + done.stderr).decode()


def test_a_plan_says_workers_partitions_and_what_an_outage_costs(profile: str) -> None:
    code, told = planned(profile)
    assert code == 0
    assert told.startswith("7 workers on 14 partitions\n")  # 50 x 463 tokens / 5,000 a second / 0.7
    assert "180,000 documents wait after 3,600 s" in told


def test_partitions_that_are_there_are_kept(profile: str) -> None:
    assert planned(profile, "--partitions", "8")[1].startswith("8 workers on 8 partitions\n")
    code, told = planned(profile, "--partitions", "4")
    assert code == 2
    assert "4 workers are not enough" in told


@pytest.mark.parametrize("tokens", ["350", "2000,350", "a,b", "0,10"])
def test_tokens_that_make_no_sense_are_refused_in_one_line(profile: str, tokens: str) -> None:
    code, told = planned(profile, tokens=tokens)
    assert code == 2
    assert f"--tokens {tokens} must be" in told


def test_a_latency_that_nothing_reaches_is_refused_with_what_to_do(profile: str) -> None:
    code, told = planned(profile, latency_ms="100")
    assert code == 2
    assert "raise --latency-ms" in told


def test_an_unknown_profile_is_refused_with_those_that_are_known() -> None:
    code, told = planned("nowhere")
    assert code == 2
    assert all(name in told for name in profile_names())


@pytest.mark.parametrize("name", profile_names())
def test_a_shipped_profile_says_which_command_wrote_it(name: str) -> None:
    shipped = load_profile(name)
    assert shipped.name == name
    assert shipped.command.startswith("enrich plan ")
    assert "--save-profile" in shipped.command


def test_what_is_measured_is_the_whole_worker_on_texts_of_the_asked_length() -> None:
    settings = Settings(batch=BatchSettings(calibrate=False))
    model = oracle()
    found = measure_profile(
        settings, {DEFAULT_MODEL: model}, Lengths(40, 80), name="n", command="enrich plan", busy_s=0.5
    )
    assert found.tokens_per_s > 0
    assert found.epoch_s > 0
    assert found.calibrated_tokens_per_s is None
    windows = [asked.window.text for batch in model.batches for asked in batch]
    assert len(set(windows)) == len(windows)
