"""`enrich plan`: how many workers and partitions a load needs, by the speed of this machine or of a named profile."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from workers.cli.options import with_settings
from workers.errors import ConfigurationError
from workers.planning.profile import Profile, load_profile
from workers.planning.queueing import Lengths
from workers.planning.sizing import Demand, Plan, size
from workers.settings import Settings

SUSPICIOUS = 0.6  # of the speed of the passes alone: a whole worker reaches more on a machine of its own


@with_settings("epoch", "window", "model", "models", "store", "batch", "stages")
def plan(
    *,
    docs_per_second: Annotated[float, typer.Option(min=0.001, help="documents that arrive, on average")],
    tokens: Annotated[
        str, typer.Option(metavar="P50,P99", help="tokens of documents: half have fewer, 99 % have fewer")
    ],
    latency_ms: Annotated[float, typer.Option(min=1, help="ms from arrival to visible, for --percentile of them")],
    percentile: Annotated[float, typer.Option(min=50, max=99.9, help="documents that must be within it, %")] = 95.0,
    profile: Annotated[
        str | None, typer.Option(help="file or name of a shipped profile; this machine is measured without it")
    ] = None,
    commit_ms: Annotated[
        float, typer.Option(min=0, help='ms of a transaction on your broker: enrich_step_seconds{step="publish"}')
    ] = 50.0,
    partitions: Annotated[int | None, typer.Option(min=1, help="of the input topic, if it is there already")] = None,
    utilization: Annotated[
        float, typer.Option(min=0.05, max=0.95, help="the most of its time that a worker may be busy")
    ] = 0.7,
    outage_s: Annotated[float, typer.Option(min=0, help="seconds of an outage to catch up after")] = 3_600.0,
    save_profile: Annotated[Path | None, typer.Option(help="write what was measured here into this file")] = None,
    settings: Settings,
) -> None:
    """Say how many workers and partitions a load needs, and how long they take to catch up after an outage."""
    demand = Demand(
        docs_per_second, lengths_of(tokens), latency_ms / 1000, percentile / 100, utilization, outage_s, partitions
    )
    if profile is not None and save_profile is not None:
        raise ConfigurationError("--save-profile writes what is measured here: leave out --profile")
    known = load_profile(profile) if profile is not None else measured(settings, demand, save_profile)
    found = size(demand, tokens_per_s=known.tokens_per_s, epoch_s=known.epoch_s + commit_ms / 1000)
    for line in lines_of(demand, known, found):
        typer.echo(line)


def lengths_of(tokens: str) -> Lengths:
    """Raises ConfigurationError for what is not two numbers in order."""
    try:
        p50, p99 = map(float, tokens.split(","))
        return Lengths(p50, p99)
    except ValueError:
        raise ConfigurationError(f"--tokens {tokens} must be two positive numbers in order, as 350,2000") from None


def measured(settings: Settings, demand: Demand, save: Path | None) -> Profile:
    """This machine, in some seconds; kept in a file if one is named."""
    from workers.cli.plan_measure import measure_profile
    from workers.compose import load_models

    typer.echo("measuring this machine, half a minute at most ...", err=True)
    name = "this machine" if save is None else save.stem
    models = load_models(settings)
    found = measure_profile(settings, models, demand.lengths, name=name, command=" ".join(["enrich", *_arguments()]))
    if found.calibrated_tokens_per_s and found.tokens_per_s < SUSPICIOUS * found.calibrated_tokens_per_s:
        share = found.tokens_per_s / found.calibrated_tokens_per_s
        typer.echo(
            f"this is {share:.0%} of what the model's passes reach alone: something else was running; measure again",
            err=True,
        )
    if save is not None:
        save.write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return found


def lines_of(demand: Demand, known: Profile, found: Plan) -> list[str]:
    share = f"{demand.share * 100:g} %"
    return [
        f"{found.workers} worker{'s' * (found.workers > 1)} on {found.partitions} partitions",
        f"  load       {demand.documents_per_s:,.4g} documents/s of {demand.lengths.mean:,.0f} tokens on average "
        f"({demand.lengths.p50:,.0f} median, {demand.lengths.p99:,.0f} for 99 %)",
        f"  worker     {known.tokens_per_s:,.0f} tokens/s, {known.epoch_s * 1000:.0f} ms an epoch: {known.name} "
        f"({known.machine})",
        f"  busy       {found.utilization:.0%} of the busiest worker's time",
        f"  latency    {share} within {found.latency_s * 1000:,.0f} ms, {found.mean_latency_s * 1000:,.0f} ms on "
        "average",
        f"  outage     {found.backlog_documents:,.0f} documents wait after {demand.outage_s:,.0f} s; caught up in "
        f"{found.catch_up_s:,.0f} s, or in {found.catch_up_scaled_s:,.0f} s with a worker for each partition",
    ]


def _arguments() -> list[str]:
    """As they were given; of paths only the last part."""
    return [Path(word).name if "/" in word else word for word in sys.argv[1:]]
