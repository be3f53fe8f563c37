"""Code point offsets counted in the units of other languages: UTF-16 (Java, JavaScript) and UTF-8 (Go, Rust, C)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.base import OffsetUnit


@dataclass(frozen=True, slots=True)
class OffsetTable:
    """Where each code point of one text starts in `unit`. Made once per text, asked many times."""

    unit: OffsetUnit
    starts: npt.NDArray[np.int64] | None  # [code points + 1]; None if nothing changes

    @property
    def is_identity(self) -> bool:
        """Whether every offset stays as it is."""
        return self.starts is None

    def convert(self, offset: int) -> int:
        """`offset` lies in 0..number of code points; IndexError beyond."""
        return offset if self.starts is None else int(self.starts[offset])

    def convert_spans(self, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """The spans in the same order."""
        if self.starts is None or not spans:
            return list(spans)
        return [(start, end) for start, end in self.starts[np.asarray(spans)].tolist()]


def tabulate_offsets(text: str, unit: OffsetUnit) -> OffsetTable:
    """The table of `text`; texts whose offsets are the same in both units cost no table.

    A lone surrogate counts as the one UTF-16 unit, or the three UTF-8 bytes, that `surrogatepass` writes for it.
    """
    if unit is OffsetUnit.CODE_POINT or text.isascii():
        return OffsetTable(unit, None)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    if unit is OffsetUnit.UTF_16:
        if points.max() < 0x10000:
            return OffsetTable(unit, None)
        widths = 1 + (points >= 0x10000)
    else:
        widths = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    starts = np.zeros(len(points) + 1, np.int64)
    np.cumsum(widths, out=starts[1:])
    return OffsetTable(unit, starts)


def convert_spans(text: str, spans: Sequence[tuple[int, int]], *, unit: OffsetUnit) -> list[tuple[int, int]]:
    """Code point `spans` of `text`, counted in `unit`: the encoded text, sliced there, decodes to the same slices."""
    return tabulate_offsets(text, unit).convert_spans(spans)
