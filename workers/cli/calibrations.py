"""`enrich calibrations`: what insights proposes from corrections, and a person's word on it.

proposed -> accept -> in force (workers with calibration.follow use it from their next epoch on) -> revert
         -> refuse: the same is not proposed again
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from schemas import Calibration, CalibrationState
from workers.cli.dead_letter_rows import print_table
from workers.cli.options import with_settings
from workers.errors import ConfigurationError
from workers.settings import Settings

if TYPE_CHECKING:  # the commands import it themselves: it brings the Kafka client
    from workers.transport.base import OutgoingRecord

HEADS = ("id", "state", "model", "stage", "temperature", "type", "threshold", "precision", "right kept", "judged")
Id = Annotated[str, typer.Argument(help="as `list` prints it")]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def calibrations() -> None:
    """Scores and thresholds refitted from corrections: look, accept, refuse, revert."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what it would say is in our one line


@app.command("list")
@with_settings("kafka", "calibration")
def list_calibrations(
    *, json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table")] = False, settings: Settings
) -> None:
    """What is proposed, refused and in force. Figures are of documents that the fit did not see."""
    found = known(settings)
    if json:
        for calibration in found.values():
            typer.echo(calibration.model_dump_json())
        return
    print_table(HEADS, [row for calibration in found.values() for row in rows_of(calibration)])


@app.command("accept")
@with_settings("kafka", "calibration")
def accept(id: Id, *, settings: Settings) -> None:  # noqa: A002  the argument's name
    """Put a proposal in force, in place of what is in force for that model."""
    proposal = named(settings, id, CalibrationState.PROPOSED, CalibrationState.REFUSED)
    accepted = proposal.model_copy(update={"state": CalibrationState.ACCEPTED})
    send(settings, record_of(settings, accepted), forgotten(settings, proposal))
    typer.echo(f"{id} is in force for {proposal.model}: workers with calibration.follow use it from the next epoch on")


@app.command("refuse")
@with_settings("kafka", "calibration")
def refuse(id: Id, *, settings: Settings) -> None:  # noqa: A002
    """Say no: the same is not proposed again."""
    proposal = named(settings, id, CalibrationState.PROPOSED)
    send(settings, record_of(settings, proposal.model_copy(update={"state": CalibrationState.REFUSED})))
    typer.echo(f"{id} is refused")


@app.command("revert")
@with_settings("kafka", "calibration")
def revert(id: Id, *, settings: Settings) -> None:  # noqa: A002
    """Take one out of force: the model's own scores and thresholds again."""
    in_force = named(settings, id, CalibrationState.ACCEPTED)
    send(settings, forgotten(settings, in_force))
    typer.echo(f"{id} is no longer in force: {in_force.model} has its own scores and thresholds again")


def known(settings: Settings) -> dict[str, Calibration]:
    """The last word on every key. What is no calibration is left out, as workers leave it out."""
    from pydantic import ValidationError

    from workers.transport.kafka_admin import missing_topics, read_all

    topic = settings.calibration.topic
    if missing_topics(settings.kafka, (topic,)):
        raise ConfigurationError(f"topic {topic} does not exist: start `enrich insights`, or correct calibration.topic")
    found: dict[str, Calibration] = {}
    for record in read_all(settings.kafka, [topic]):
        key = (record.key or b"").decode("utf-8", "replace")
        try:
            found[key] = Calibration.model_validate_json(record.value or b"")
        except ValidationError:
            found.pop(key, None)
    return {key: found[key] for key in sorted(found) if found[key].key == key}


def named(settings: Settings, wanted: str, *states: CalibrationState) -> Calibration:
    """Raises ConfigurationError if there is none of that id in one of `states`."""
    found = [entry for entry in known(settings).values() if entry.id == wanted and entry.state in states]
    if not found:
        told = " or ".join(state.value for state in states)
        raise ConfigurationError(f"no calibration {wanted} is {told}: `enrich calibrations list` shows what there is")
    return found[0]


def rows_of(calibration: Calibration) -> list[list[object]]:
    """A line for every stage, and one for every type with a threshold."""
    rows: list[list[object]] = []
    for stage, head in calibration.heads.items():
        about = [calibration.id, calibration.state.value, f"{calibration.model}@{calibration.revision}", stage.value]
        sure = f"{head.temperature:g} (log loss {head.log_loss_before:.3f} -> {head.log_loss_after:.3f})"
        rows.append([*about, sure, "", "", "", "", head.judged])
        for given, threshold in head.thresholds.items():
            held_out = head.types.get(given)
            if held_out is None:
                rows.append([*about, "", given, threshold, "", "", ""])
            else:
                precision = f"{held_out.precision_before:.0%} -> {held_out.precision_after:.0%}"
                rows.append([*about, "", given, threshold, precision, f"{held_out.right_kept:.0%}", held_out.judged])
    return rows


def record_of(settings: Settings, calibration: Calibration) -> OutgoingRecord:
    from workers.transport.base import OutgoingRecord

    value = calibration.model_dump_json().encode()
    return OutgoingRecord(settings.calibration.topic, calibration.key.encode(), value)


def forgotten(settings: Settings, calibration: Calibration) -> OutgoingRecord:
    from workers.transport.base import OutgoingRecord

    return OutgoingRecord(settings.calibration.topic, calibration.key.encode(), None)


def send(settings: Settings, *records: OutgoingRecord) -> None:
    from workers.transport.kafka_admin import produce

    produce(settings.kafka, records)
