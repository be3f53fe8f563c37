"""How dead letters are printed: rows, a table, JSON. Ids and details come from outside, so nothing is printed as it is:
no cell is markup, and no character reaches the terminal that it would obey.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from workers.deadletters.letters import Letter

PIPE_COLUMNS = 200  # of a table that goes to a file or a pipe
ON_ONE_LINE = {"position", "partition", "time"}

Row = dict[str, str | bool | None]


def row_of(letter: Letter, done: set[str]) -> Row:
    content = letter.content
    return {
        "position": str(letter.position),
        "time": time_text(letter.timestamp_ms),
        "stage": content.stage.value if content else None,
        "code": content.code if content else "unreadable",
        "id": content.id if content else None,
        "detail": content.detail if content else "not a dead letter of this version",
        "replayed": letter.identity in done,
    }


def print_table(columns: tuple[str, ...], rows: Sequence[Sequence[object]]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_COLUMNS)
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ON_ONE_LINE)
    for row in rows:
        table.add_row(*(Text(cell_text(cell)) for cell in row))
    console.print(table)


def cell_text(cell: object) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else ""
    return "-" if cell is None else printable(str(cell))


def safe_json(value: object, *, indent: bool = False) -> str:
    """JSON that a terminal shows and does not obey; still the same JSON."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()
    return "\n".join(printable(line) for line in text.split("\n"))


def printable(text: str) -> str:
    r"""Controls, direction marks and the like as `\uXXXX`."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def time_text(timestamp_ms: int | None) -> str | None:
    if timestamp_ms is None:
        return None
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
