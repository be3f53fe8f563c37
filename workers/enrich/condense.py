"""Summaries of summaries: what a model wrote about the windows of a long document is given to it once more.

As long as the texts are too long and each pass makes them clearly shorter. Documents of an epoch go through a pass
together, and its windows through cache and batcher as any others do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas import StageName
from workers.enrich.answers import Answers, Share
from workers.enrich.reading import Tokenizer
from workers.stages.results import WrittenSummary
from workers.stages.written import asks_for_another_pass, joined
from workers.telemetry.steps import StepTimes
from workers.text.pieces import TextTokens, Window
from workers.text.sentences import split_sentences
from workers.text.windows import cut_windows


@dataclass(frozen=True, slots=True)
class Condenser:
    """For a model that serves summaries and nothing else. Safe to call from several threads."""

    tokenizer: Tokenizer
    answers: Answers
    max_window_tokens: int
    max_characters: int  # of a published summary

    def condense(
        self, shares: Sequence[Share], sizes: Sequence[int], watch: StepTimes, *, made_ms: int | None = None
    ) -> list[Share]:
        """The answers of the last pass over each document; `sizes` are the documents' code points.

        Raises what the batcher raises if the device is lost.
        """
        last = dict(enumerate(shares))
        read = dict(enumerate(sizes))
        pending = list(last)
        while texts := {at: text for at in pending if (text := self._text(last[at], read[at]))}:
            windows = self._cut(texts)
            answered = self.answers.answer([window for own in windows.values() for window in own], made_ms=made_ms)
            for step, seconds in answered.seconds.items():
                watch.add(step, seconds)
            again = answered.split([len(own) for own in windows.values()])
            for at, share in zip(windows, again, strict=True):
                last[at] = share.after(last[at])
                read[at] = len(texts[at])
            pending = list(windows)
        return list(last.values())

    def _text(self, share: Share, size: int) -> str | None:
        """What the next pass reads; None if there is none."""
        results = []
        for answer in share.answers:
            result = answer.get(StageName.SUMMARY) if isinstance(answer, Mapping) else None
            if not isinstance(result, WrittenSummary):
                return None  # it quotes, or it failed and its document fails with it
            results.append(result)
        again = asks_for_another_pass(size, results, max_characters=self.max_characters)
        return joined(results) if again else None

    def _cut(self, texts: Mapping[int, str]) -> dict[int, list[Window]]:
        """Without documents whose text cannot be cut: they keep what they have."""
        tokens = self.tokenizer.tokenize(list(texts.values()))
        cuts = {at: self._windows(text, own) for (at, text), own in zip(texts.items(), tokens, strict=True)}
        return {at: windows for at, windows in cuts.items() if windows}

    def _windows(self, text: str, tokens: TextTokens) -> list[Window]:
        try:
            return cut_windows(text, tokens, split_sentences(text), max_tokens=self.max_window_tokens, overlap_tokens=0)
        except ValueError:  # more tokens at one code point than a window holds
            return []
