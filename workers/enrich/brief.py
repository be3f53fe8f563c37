"""The summary of a document, quoted or written, and what a reader of it should be warned of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas import RecordWarning, StageName, Summary
from workers.settings import SummarySettings
from workers.stages.results import SummaryResult, WindowAnswer, WrittenSummary
from workers.stages.summary import merge_summary, quoting_of
from workers.stages.written import count_unsupported, merge_written
from workers.text.pieces import Window


@dataclass(frozen=True, slots=True)
class Brief:
    """A summary, or the reason why there is none among the warnings."""

    summary: Summary | None = None
    warnings: tuple[RecordWarning, ...] = ()


def brief_of(
    text: str,
    windows: Sequence[Window],
    answers: Sequence[WindowAnswer],
    wanted: SummarySettings,
    thresholds: Mapping[str, float],
) -> Brief:
    """`answers` are those to the windows; of a summary written in several passes, those of the last pass."""
    if not windows:
        return Brief()
    if sum(len(window.sentences) for window in windows) < wanted.min_sentences_in_document:
        return Brief(warnings=(_warning("no_summary", f"fewer than {wanted.min_sentences_in_document} sentences"),))
    results = [answer[StageName.SUMMARY] for answer in answers]
    written = [result for result in results if isinstance(result, WrittenSummary)]
    if written:
        return _written(text, written, wanted.max_characters)
    quoted = [result for result in results if isinstance(result, SummaryResult)]
    quoting = quoting_of(thresholds)
    summary = merge_summary(text, windows, quoted, max_sentences=wanted.max_sentences, quoting=quoting)
    if summary is None:
        return Brief(warnings=(_warning("no_summary", "no sentence of a length that can be quoted"),))
    return Brief(summary)


def _written(text: str, results: Sequence[WrittenSummary], max_characters: int) -> Brief:
    merged = merge_written(results, max_characters=max_characters)
    if merged is None:
        return Brief(warnings=(_warning("no_summary", "the model wrote nothing"),))
    warnings = []
    if merged.left_out:
        detail = f"{merged.left_out} sentences that the model wrote do not fit into {max_characters} characters"
        warnings.append(_warning("summary_shortened", detail))
    if merged.cut:
        warnings.append(_warning("summary_shortened", f"its only sentence is cut at {max_characters} characters"))
    unsupported = count_unsupported(merged.summary.text, text)
    if unsupported:
        detail = f"{unsupported} of its numbers and names are not in the text"
        warnings.append(_warning("summary_unsupported", detail))
    return Brief(merged.summary, tuple(warnings))


def _warning(code: str, detail: str) -> RecordWarning:
    return RecordWarning(code=code, detail=detail, stage=StageName.SUMMARY)
