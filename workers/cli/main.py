"""The `enrich` command. Knows the commands and the exit codes; each command's work is in a module of its own.

Exit codes: 0 done, 1 a bug of ours, a gate not passed or a damaged model, 2 configuration or usage, 3 a service is not
there or gave up, 4 a call of a model does not come back (142 where Python itself stands still), 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from workers.cli import (
    calibrations,
    check,
    dead_letters,
    demo,
    distil,
    evaluate,
    insights,
    models,
    optimize,
    plan,
    run,
    schema,
    sentinel,
    serve,
    train,
    worker,
)
from workers.errors import ConfigurationError, DependencyError, EnrichError, WorkStuck

OK, BUG, USAGE, DEPENDENCY, STUCK, INTERRUPTED = 0, 1, 2, 3, 4, 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Documents in; entities, relations, labels and a summary out. Each exactly once.\n\n"
    "Exit codes: 0 done, 1 a bug of ours, a gate not passed or a damaged model, 2 configuration or usage, "
    "3 a service is not there, 4 a call of a model does not come back, 130 interrupted.",
)
app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("worker")(worker.worker)
app.command("insights")(insights.insights)
app.command("serve")(serve.serve)
app.command("sentinel")(sentinel.sentinel)
app.command("check")(check.check)
app.command("plan")(plan.plan)
app.command("schema")(schema.schema)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("optimize")(optimize.optimize)
app.command("distil")(distil.distil)
app.add_typer(models.app, name="models")
app.add_typer(calibrations.app, name="calibrations")
app.add_typer(dead_letters.app, name="dead-letters")


def main() -> None:
    """Runs the command; an error we know is one line on stderr."""
    with exit_codes():
        app(standalone_mode=True)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Errors we know end the process, each with one line and its code."""
    try:
        yield
    except ConfigurationError as error:
        fail(error, USAGE)
    except WorkStuck as error:
        typer.echo(f"enrich: {error}", err=True)
        sys.stdout.flush()
        os._exit(STUCK)  # an orderly end would wait for the thread that does not come back
    except DependencyError as error:
        fail(error, DEPENDENCY)
    except EnrichError as error:
        fail(error, BUG)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def fail(error: EnrichError, code: int) -> None:
    typer.echo(f"enrich: {error}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
