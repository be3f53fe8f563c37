"""`enrich dead-letters`: list, show, count, replay and purge what could not be enriched.

Parses options and says what came of them; the work is `workers.deadletters`'.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from schemas import FailedStep
from workers.cli.dead_letter_rows import print_table, row_of, safe_json
from workers.cli.options import with_settings
from workers.errors import ConfigurationError
from workers.settings import Settings

if TYPE_CHECKING:  # the commands import it themselves: it brings the Kafka client
    from workers.deadletters.filters import LetterFilter
    from workers.deadletters.letters import Letter
    from workers.transport.kafka_browser import TopicBrowser

SHOWN_ROWS = 50

WHEN = "ISO 8601, UTC unless it names a zone, or how long ago: 90s, 30m, 2h, 7d, 2w"
Stage = Annotated[FailedStep | None, typer.Option(help="only letters that failed at this step")]
Code = Annotated[str | None, typer.Option(help="only letters with this code, e.g. invalid_json")]
Id = Annotated[str | None, typer.Option(help="only letters of the document with this id")]
Since = Annotated[str | None, typer.Option(help=f"only letters from then on ({WHEN})")]
Until = Annotated[str | None, typer.Option(help=f"only letters before then ({WHEN})")]
At = Annotated[
    list[str] | None,
    typer.Option("--position", metavar="POSITION", help="only this letter; may be given several times"),
]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def dead_letters() -> None:
    """Look at what could not be enriched; send it back, or delete it."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what it would say is in our one line


@app.command("list")
@with_settings("kafka")
def list_letters(
    *,
    stage: Stage = None,
    code: Code = None,
    id: Id = None,  # noqa: A002  the option's name
    since: Since = None,
    until: Until = None,
    position: At = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help=f"newest letters shown; 0 for all (default: {SHOWN_ROWS}, all with --json)"),
    ] = None,
    settings: Settings,
) -> None:
    """One line per dead letter, newest last. Never the text of a document."""
    wanted = letter_filter(stage, code, id, since, until, position)
    with open_letters(settings) as (browser, done):
        rows = [row_of(letter, done) for letter in matching(settings, browser, wanted)]
    rows.sort(key=lambda row: row["time"] or "")  # stable: the order of a partition is kept
    most = limit if limit is not None else 0 if json else SHOWN_ROWS
    shown = rows[-most:] if most else rows
    if json:
        for row in shown:
            typer.echo(safe_json(row))
        return
    print_table(
        ("position", "time", "stage", "code", "id", "detail", "replayed"), [list(row.values()) for row in shown]
    )
    if len(shown) < len(rows):
        typer.echo(f"the newest {len(shown)} of {len(rows)}; --limit 0 shows all")


@app.command("show")
@with_settings("kafka")
def show_letter(
    position: Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET, as `list` prints it")],
    *,
    payload: Annotated[bool, typer.Option("--payload", help="also the bytes that failed: text of a document")] = False,
    settings: Settings,
) -> None:
    """One dead letter whole, as JSON; the bytes that failed only with --payload."""
    from workers.deadletters.letters import Position
    from workers.deadletters.reading import letter_at

    at = Position.parse(position)
    with open_letters(settings) as (browser, done):
        letter = letter_at(settings.kafka, browser, at)
    row = row_of(letter, done)
    content = letter.content.model_dump(mode="json") if letter.content else None
    if content and not payload:
        content["payload"]["data"] = (
            "(left out: --payload shows it)" if content["payload"]["data"] is not None else None
        )
    typer.echo(
        safe_json({name: row[name] for name in ("position", "time", "replayed")} | {"letter": content}, indent=True)
    )


@app.command("count")
@with_settings("kafka")
def count_letters(
    *,
    stage: Stage = None,
    code: Code = None,
    id: Id = None,  # noqa: A002
    since: Since = None,
    until: Until = None,
    position: At = None,
    settings: Settings,
) -> None:
    """How many dead letters, by stage and code, most first."""
    wanted = letter_filter(stage, code, id, since, until, position)
    total: Counter[tuple[str, str]] = Counter()
    replayed: Counter[tuple[str, str]] = Counter()
    with open_letters(settings) as (browser, done):
        for letter in matching(settings, browser, wanted):
            group = (letter.content.stage.value, letter.content.code) if letter.content else ("?", "unreadable")
            total[group] += 1
            replayed[group] += letter.identity in done
    rows = [[*group, count, replayed[group]] for group, count in total.most_common()]
    print_table(("stage", "code", "letters", "replayed"), rows)
    typer.echo(f"{total.total()} letters, {replayed.total()} of them replayed")


@app.command("replay")
@with_settings("kafka")
def replay_letters(
    *,
    stage: Stage = None,
    code: Code = None,
    id: Id = None,  # noqa: A002
    since: Since = None,
    until: Until = None,
    position: At = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell what would be done")] = False,
    settings: Settings,
) -> None:
    """Send the original records back to the input topic, each letter at most once; call it again after a failure."""
    from workers.deadletters.replay import Fate, replay

    wanted = letter_filter(stage, code, id, since, until, position)

    def tell(letter: Letter, fate: Fate) -> None:
        if fate is not Fate.EARLIER and (dry_run or fate is not Fate.REPLAYED):
            would = "would be replayed" if fate is Fate.REPLAYED else fate.value
            typer.echo(f"{letter.position}  {would}")

    fates = replay(settings.kafka, wanted, dry_run=dry_run, tell=tell)
    lost = sum(count for fate, count in fates.items() if fate not in {Fate.REPLAYED, Fate.EARLIER})
    done = "would be replayed" if dry_run else "replayed"
    typer.echo(
        f"{fates[Fate.REPLAYED]} letters {done} to {settings.kafka.input_topic}, "
        f"{fates[Fate.EARLIER]} were before, {lost} cannot be"
    )


@app.command("purge")
@with_settings("kafka")
def purge_letters(
    *,
    before: Annotated[str, typer.Option(help=f"delete what is older: {WHEN}; or a position, within its partition")],
    yes: Annotated[bool, typer.Option("--yes", help="do it; without, only tell")] = False,
    settings: Settings,
) -> None:
    """Delete the oldest dead letters for good. The broker deletes from the front, so other filters do not apply."""
    from workers.deadletters.filters import moment_ms
    from workers.deadletters.letters import Position
    from workers.deadletters.purge import plan_cuts, purge
    from workers.transport.kafka_browser import topic_browser

    bound = Position.parse(before) if "/" in before else moment_ms(before, now_ms=now_ms())
    with topic_browser(settings.kafka) as browser:
        cuts = plan_cuts(settings.kafka, browser, bound)
    rows = [[f"{c.partition.topic}/{c.partition.number}", c.offset, c.letters, c.never_replayed] for c in cuts]
    print_table(("partition", "before offset", "letters", "never replayed"), rows)
    count = sum(cut.letters for cut in cuts)
    if cuts and not yes:
        raise ConfigurationError(f"{count} letters would be deleted for good: repeat with --yes")
    if cuts:
        purge(settings.kafka, cuts)
    typer.echo(f"{count} letters deleted")


def letter_filter(
    stage: FailedStep | None,
    code: str | None,
    id: str | None,  # noqa: A002
    since: str | None,
    until: str | None,
    positions: list[str] | None,
) -> LetterFilter:
    from workers.deadletters.filters import LetterFilter, moment_ms
    from workers.deadletters.letters import Position

    now = now_ms()
    return LetterFilter(
        stage=stage,
        code=code,
        id=id,
        since_ms=moment_ms(since, now_ms=now) if since else None,
        until_ms=moment_ms(until, now_ms=now) if until else None,
        positions=frozenset(Position.parse(text) for text in positions or ()),
    )


@contextmanager
def open_letters(settings: Settings) -> Iterator[tuple[TopicBrowser, set[str]]]:
    """A browser, and which letters were replayed."""
    from workers.deadletters.ledger import replayed_before
    from workers.transport.kafka_browser import topic_browser

    with topic_browser(settings.kafka) as browser:
        yield browser, replayed_before(settings.kafka, browser)


def matching(settings: Settings, browser: TopicBrowser, wanted: LetterFilter) -> Iterator[Letter]:
    from workers.deadletters.reading import read_letters, spans_of_letters

    return read_letters(browser, spans_of_letters(settings.kafka, browser), wanted)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
