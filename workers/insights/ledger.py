"""Windows over records, exact although a record may be delivered twice.

Time is cut into panes of three sizes, and windows are panes put together ("no pane, no gain", Li et al. 2005): the last
minute hops by 10 s, the last hour by a minute, the last day by an hour. Beside them is one total without end.

Exactness: an entry (one pane of one partition of one topic) carries `through`, the offset of the last record that it
counted. A partition is read in order, so a record at or below `through` is in the entry already, whatever was written
before a crash and whatever was not. An entry is one value of the changelog: count and offset cannot come apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from workers.insights.tally import Fact, Tally

AHEAD_S = 3_600  # a record stamped further in the future is in the total only: a wrong clock must not fill the memory


class Level(NamedTuple):
    """A size of panes, and how long they are kept after they ended."""

    name: str
    size_s: int
    keep_s: int


TOTAL = Level("total", 0, 0)
PANE = Level("pane", 10, 120)
MINUTE = Level("minute", 60, 7_200)
HOUR = Level("hour", 3_600, 172_800)
LEVELS = (TOTAL, PANE, MINUTE, HOUR)
# window -> the panes it is made of, and how many of them, the one that is not over included
WINDOWS = {"minute": (PANE, 6), "hour": (MINUTE, 60), "day": (HOUR, 24)}


class Key(NamedTuple):
    """Names an entry: the partition whose records it counts, and its pane."""

    scope: str  # topic/partition
    level: str
    start_s: int

    def __str__(self) -> str:
        return f"{self.level}|{self.start_s}|{self.scope}"

    @classmethod
    def parse(cls, text: str) -> Key | None:
        """None if it is not the name of an entry."""
        level, _, rest = text.partition("|")
        start, _, scope = rest.partition("|")
        return cls(scope, level, int(start)) if scope and start.isdigit() else None


@dataclass(slots=True)
class Entry:
    through: int = -1
    tally: Tally = field(default_factory=Tally)


class Ledger:
    """All entries. Not thread-safe; owned by the application's event loop."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}
        self._touched: set[Key] = set()

    def fold(self, scope: str, offset: int, time_s: float, fact: Fact, *, now_s: float) -> bool:
        """Count a record where it was not counted yet. Whether it was new to the total."""
        new = False
        for level in LEVELS:
            start_s = pane_start(level, time_s)
            if level is not TOTAL and (expired(level, start_s, now_s) or time_s > now_s + AHEAD_S):
                continue
            key = Key(scope, level.name, start_s)
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = Entry()
            if offset <= entry.through:
                continue
            entry.tally.add(fact)
            entry.through = offset
            self._touched.add(key)
            new = new or level is TOTAL
        return new

    def changes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What was counted since the last call: entries to write, each whole."""
        touched, self._touched = self._touched, set()
        for key in sorted(touched):
            entry = self._entries[key]
            yield str(key), {"through": entry.through, **entry.tally.dump()}

    def expire(self, now_s: float) -> list[str]:
        """Forget panes that are too old; returns their names, for the changelog to forget them too."""
        levels = {level.name: level for level in LEVELS}
        old = [key for key in self._entries if key.level != TOTAL.name]
        old = [key for key in old if expired(levels[key.level], key.start_s, now_s)]
        for key in old:
            del self._entries[key]
            self._touched.discard(key)
        return [str(key) for key in old]

    def load(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what a table restored. Entries that are not ours are left alone."""
        for name, value in items.items():
            if (key := Key.parse(name)) is not None:
                self._entries[key] = Entry(int(value["through"]), Tally.load(value))

    def total(self) -> Tally:
        return self._merged(TOTAL, frozenset({0}))

    def window(self, name: str, now_s: float) -> Tally:
        """The last minute, hour or day, up to now: its oldest pane is whole, its newest is still growing."""
        level, panes = WINDOWS[name]
        return self._merged(level, frozenset(starts(level, panes, now_s)))

    def between(self, start_s: float, end_s: float) -> Tally:
        """The minutes that begin in [start, end)."""
        first = pane_start(MINUTE, start_s)
        return self._merged(MINUTE, frozenset(range(first, int(end_s), MINUTE.size_s)))

    def series(self, name: str, now_s: float) -> list[tuple[int, Tally]]:
        """The window's panes one by one, oldest first: start in seconds, and what fell into it."""
        level, panes = WINDOWS[name]
        wanted = {start_s: Tally() for start_s in starts(level, panes, now_s)}
        for key, entry in self._entries.items():
            if key.level == level.name and key.start_s in wanted:
                wanted[key.start_s].merge(entry.tally)
        return sorted(wanted.items())

    def __len__(self) -> int:
        return len(self._entries)

    def _merged(self, level: Level, wanted: frozenset[int]) -> Tally:
        tally = Tally()
        for key, entry in self._entries.items():
            if key.level == level.name and key.start_s in wanted:
                tally.merge(entry.tally)
        return tally


def pane_start(level: Level, time_s: float) -> int:
    return 0 if level is TOTAL else int(time_s // level.size_s) * level.size_s


def expired(level: Level, start_s: int, now_s: float) -> bool:
    return start_s + level.size_s + level.keep_s <= now_s


def starts(level: Level, panes: int, now_s: float) -> range:
    last = pane_start(level, now_s)
    return range(last - (panes - 1) * level.size_s, last + 1, level.size_s)
