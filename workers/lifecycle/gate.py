"""Compares a model's report with its parent's: which figures fell, and by how much. Measures nothing itself."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from workers.errors import ConfigurationError
from workers.lifecycle.report import Report, SetReport
from workers.models.gate import GateFigure, GateRecord


def read_report(path: Path) -> Report:
    """A report that `--out` saved."""
    try:
        return Report.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot read report {path} ({error.strerror}): correct --gate") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path} is not a report of `enrich evaluate --out`: make it again") from error


def compare_reports(own: Report, parent: Report, *, allowed_points: float) -> GateRecord:
    """Every gated figure of the parent must be there again, measured on the same texts.

    Raises ConfigurationError where nothing can be compared: a gate that looks at nothing must not let anyone pass.
    """
    ours = {(one.name, one.sha256, one.items): one for one in own.sets}
    figures: list[GateFigure] = []
    for one in parent.sets:
        same = ours.get((one.name, one.sha256, one.items))
        if same is None:
            raise ConfigurationError(
                f"the parent was measured on {one.name}, the model was not, or not on the same texts: add them"
            )
        figures += _both(same, one)
    if not figures:
        raise ConfigurationError("there is no figure that a gate could look at: give it data that both models answer")
    record = GateRecord(
        revision=own.revision,
        parent=parent.revision,
        allowed_points=allowed_points,
        passed=True,
        figures=tuple(figures),
    )
    return record.model_copy(update={"passed": not record.lost()})


def _both(own: SetReport, parent: SetReport) -> list[GateFigure]:
    """What the parent did and the model does not do at all counts as 0."""
    ours = {figure.name: figure.value for figure in own.figures}
    return [
        GateFigure(name=f"{own.name} {figure.name}", parent=figure.value, own=ours.get(figure.name, 0.0))
        for figure in parent.figures
        if figure.gated
    ]


def describe_loss(figure: GateFigure) -> str:
    return f"{figure.name}: {figure.own:.2f}, the parent's {figure.parent:.2f}, {figure.parent - figure.own:.2f} lost"
