"""Sentences: laws on any text, examples of each rule, and that hostile texts cost no more steps than others."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.fakes.texts import any_text
from workers.text.sentences import split_sentences


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@given(any_text)
def test_spans_are_ordered_and_never_empty_or_padded(text: str) -> None:
    last = 0
    for start, end in split_sentences(text):
        assert last <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        last = end


@given(any_text)
def test_every_character_that_is_not_white_space_lies_in_a_sentence(text: str) -> None:
    outside = list(text)
    for start, end in split_sentences(text):
        outside[start:end] = " " * (end - start)
    assert "".join(outside).strip() == ""


# Each example is written with | where it must be cut.
@pytest.mark.parametrize(
    "marked",
    [
        "One sentence. |Another one! |A third? |And the rest",
        "Mr. Smith met Dr. Jones and Sen. Lee in St. Louis. |They spoke.",
        "The U.S. Treasury spoke. |He lives in the U.S. |The law is old.",
        "Acme Inc. shares rose. |He left Acme Inc. |The board met.",
        "It cost 3.5 dollars, i.e. more than 2.0 e.g. last May. |Next.",
        "J. R. R. Tolkien wrote. |George W. Bush read.",
        "See No. 5 and Fig. 3. |He said no. |Five left.",
        "At 5 p.m. Friday they met. |It was 5 p.m. |He left.",
        "It began on Jan. 5 and ended in Jan. |Then came more.",
        "Visit https://example.org/a.b?c=d. |Then mail a.b@example.org. |Done.",
        "“Are you sure?” she asked. |“Yes.” |He left.",
        '"Stop!" |The car stopped. |"Why?" she said.',
        "Well... maybe it works. |Well... |Maybe not… |Yes!",
        "what? |no way. |the film was long. |i slept.",
        "It was so (really.) |He left [see above]. |Why?!",
        "A claim.[1] |Another claim.[23] |End.",
        "今天天气很好。|我们去公园吧！|你呢？|“好的。”|他说。",
        "「行きます。」と言った。|彼は去った。",
        "यह एक वाक्य है। |यह दूसरा है।",
        "هل أنت هنا؟ |نعم.",
        "Am 9. Juni 2015 kam er. |Im 2. Weltkrieg z. B. war es anders. |Die Fa. Huber bzw. Meier zahlte 5 Mio. Euro.",
        "Er kam am 30. 9. 2015 an. |Das war 1990. |Dann ging er.",
        "HEADLINE WITHOUT A STOP\n\n|The text begins. |It ends.",
        "Title\n \n|Text\r\n\r\n|More\u2029|End\x0c|Page",
        "Agenda\n|- buy milk\n|- call Bob\n|1. first\n|2. second",
        "Dear John,\n|thank you. |See you.\n|Regards\n|Ann",
        "Name: Ann\n|City: Rome\n|Age: 30",
        "The company said on Monday that it would buy back shares worth\nfive million dollars, "
        "which analysts had not expected at all in\nthis year. |It gave no reason for the decision and named no date.",
    ],
)
def test_rules(marked: str) -> None:
    pieces = marked.split("|")
    assert sentences("".join(pieces)) == [piece.strip() for piece in pieces]


def test_a_line_that_had_room_for_the_next_word_was_ended_on_purpose() -> None:
    wrapped = "This line is as wide as the lines of this text may be, so it\nis wrapped, and goes on."
    assert len(sentences(wrapped)) == 1
    assert len(sentences("Results\n" + wrapped)) == 2


def test_a_line_wider_than_anybody_wraps_is_a_paragraph() -> None:
    paragraph = "word " * 40 + "end"
    assert sentences(f"{paragraph}\n{paragraph}") == [paragraph, paragraph]


@pytest.mark.timeout(20)  # seconds; each takes under 1 where it was written, and minutes if a step were quadratic
@pytest.mark.parametrize(
    "unit",
    [
        "a", ".", " ", "\n", "!?", ". ", ".)", "'. '", "\r\n", "\r", "\x0c", "a.\x0c", "\r\x0cab", "。", "。，", "a\n",
        "U.S. ", "[1]", ".[1]", "1. ", "\n \r", ".\n", "\u2029a", "- ", "(", '"',
    ],
)  # fmt: skip
def test_a_large_text_of_anything_is_split_in_linear_time(unit: str) -> None:
    text = (unit * 300_000)[:300_000] + "x"
    assert split_sentences(text)[-1][1] == len(text)
