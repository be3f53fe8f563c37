"""From the texts of windows to one summary: bounded, in order, whole sentences, nothing twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.texts import any_text
from workers.stages.results import WrittenSummary
from workers.stages.written import Merged, asks_for_another_pass, count_unsupported, joined, merge_written
from workers.text.sentences import split_sentences

RESULTS = st.lists(
    st.builds(WrittenSummary, any_text.map(lambda text: " ".join(text.split())), st.booleans()), max_size=6
)
SENTENCES = st.lists(st.integers(0, 10_000).map(lambda n: f"Sentence {n} ends here."), max_size=5, unique=True)
WRITTEN = st.lists(SENTENCES.map(lambda parts: WrittenSummary(" ".join(parts), finished=True)), max_size=6)


def merged(*texts: str, limit: int = 1_000, finished: bool = True) -> Merged | None:
    return merge_written([WrittenSummary(text, finished) for text in texts], max_characters=limit)


def text_of(*texts: str, limit: int = 1_000, finished: bool = True) -> str:
    found = merged(*texts, limit=limit, finished=finished)
    assert found is not None
    return found.summary.text


@given(RESULTS, st.integers(8, 400))
def test_a_summary_is_never_longer_than_its_limit(results: list[WrittenSummary], limit: int) -> None:
    found = merge_written(results, max_characters=limit)
    assert (found is None) == (not any(result.text for result in results))
    if found is not None:
        assert 0 < len(found.summary.text) <= limit
        assert (found.summary.kind, found.summary.sentences) == ("abstractive", ())


@given(RESULTS)
def test_what_fits_is_joined_as_it_is(results: list[WrittenSummary]) -> None:
    found = merge_written(results, max_characters=100_000)
    assert (found.summary.text if found else "") == joined(results)
    assert found is None or found.left_out == 0


@given(WRITTEN, st.integers(30, 300))
def test_whole_sentences_in_order_each_once(results: list[WrittenSummary], limit: int) -> None:
    found = merge_written(results, max_characters=limit)
    everything = list(dict.fromkeys(s for result in results for s in _split(result.text)))
    if found is None:
        assert everything == []
        return
    kept = _split(found.summary.text)
    assert [sentence for sentence in everything if sentence in set(kept)] == kept
    assert found.left_out == len(everything) - len(kept)


def _split(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


def test_every_window_speaks_before_one_speaks_twice() -> None:
    assert text_of("One. Two. Three.", "Four. Five.", limit=10) == "One. Four."
    assert text_of("One. Two. Three.", "Four. Five.", limit=21) == "One. Two. Four. Five."


def test_a_sentence_that_was_stopped_in_the_middle_is_left_out() -> None:
    assert text_of("One is here. Two is", finished=False) == "One is here."
    assert text_of("One is here. Two is", finished=True) == "One is here. Two is"
    assert text_of("One is here. Two is too.", finished=False) == "One is here. Two is too."
    assert text_of("One is", finished=False) == "One is", "there is nothing else to say"


def test_two_windows_that_say_the_same_say_it_once() -> None:
    assert text_of("It rained. Nobody came.", "Nobody came. It snowed.") == "It rained. Nobody came. It snowed."


def test_a_sentence_longer_than_the_limit_is_cut_between_words_and_shows_it() -> None:
    found = merged("A sentence that goes on and on without an end", limit=20)
    assert found is not None
    assert found.summary.text == "A sentence that…"
    assert merged("x" * 50, limit=10) == Merged(found.summary.model_copy(update={"text": "x" * 9 + "…"}), cut=True)


def test_nothing_written_is_no_summary() -> None:
    assert merged() is None
    assert merged("", "") is None


@pytest.mark.parametrize(
    ("before", "texts", "again"),
    [
        (10_000, ["A long part. " * 50, "Another part. " * 50], False),  # repeats itself: 2 sentences
        (10_000, [" ".join(f"Part {n} of a." for n in range(9)), " ".join(f"Part {n} of b." for n in range(9))], True),
        (10_000, [" ".join(f"Part {n} of a." for n in range(40))], False),  # one window: nothing to bring together
        (300, [" ".join(f"Part {n} of a." for n in range(9)), " ".join(f"Part {n} of b." for n in range(9))], False),
        (10_000, ["Short.", "Shorter."], False),
    ],
)
def test_another_pass_is_for_long_texts_that_get_shorter(before: int, texts: list[str], again: bool) -> None:
    results = [WrittenSummary(text, finished=True) for text in texts]
    assert asks_for_another_pass(before, results, max_characters=100) is again


@pytest.mark.parametrize(
    ("summary", "count"),
    [
        ("Anna Berg paid 3.5 million.", 0),
        ("Yesterday Anna Berg paid 3.5 million.", 0),
        ("Yesterday Anna Stone paid 4.5 million.", 2),
        ("The sum was 4 and 4 again. Nobody told Stone or stone.", 2),
        ("", 0),
    ],
)
def test_numbers_and_names_that_the_text_does_not_have_are_counted(summary: str, count: int) -> None:
    assert count_unsupported(summary, "In Ulm, ANNA Berg paid 3.5 million euros.") == count


@given(any_text)
def test_a_summary_that_quotes_is_supported(text: str) -> None:
    line = " ".join(text.split())
    assert count_unsupported(line, line) == 0
