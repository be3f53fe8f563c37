"""Languages: found offline, not guessed from a few letters, and readable only by models made for them."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given

from tests.fakes.texts import any_text
from workers.text.language import CODE, UNDETERMINED, Detected, detect_language, readable_by

KNOWN = {
    "en": "The committee will meet again on Tuesday to discuss the budget for the coming year.",
    "de": "Der Ausschuss trifft sich am Dienstag wieder, um über den Haushalt des nächsten Jahres zu beraten.",
    "fr": "Le comité se réunira de nouveau mardi pour discuter du budget de l'année prochaine.",
    "es": "El comité se reunirá de nuevo el martes para discutir el presupuesto del próximo año.",
    "ru": "Комитет снова соберётся во вторник, чтобы обсудить бюджет на следующий год.",
    "zh": "委员会将于星期二再次开会，讨论明年的预算，并听取各部门的意见。",
    "ar": "ستجتمع اللجنة مرة أخرى يوم الثلاثاء لمناقشة ميزانية العام المقبل.",
    "hi": "समिति अगले वर्ष के बजट पर चर्चा करने के लिए मंगलवार को फिर से बैठक करेगी।",
}


@pytest.mark.parametrize("code", KNOWN)
def test_a_sentence_is_enough(code: str) -> None:
    detected = detect_language(KNOWN[code])
    assert detected.code == code
    assert 0.6 <= detected.score <= 1


@pytest.mark.parametrize(
    "noise", ["THE COMMITTEE WILL MEET AGAIN ON TUESDAY TO DISCUSS THE BUDGET", "\u200b".join(KNOWN["en"])]
)
def test_capitals_and_invisible_characters_do_not_mislead(noise: str) -> None:
    assert detect_language(noise).code == "en"


@pytest.mark.parametrize(
    "text", ["", "   ", "NUL", "12345 67890 !!! ???", "👍👍👍 🎉", "\u0301" * 100, "a b c", "x" * 11]
)
def test_texts_with_too_few_letters_are_undetermined(text: str) -> None:
    assert detect_language(text).code == UNDETERMINED


def test_a_long_text_is_looked_at_in_several_places() -> None:
    assert detect_language("0123456789. " * 5_000 + KNOWN["de"] * 3).code == "de"
    assert detect_language("- - - - - - " * 5_000 + KNOWN["de"] * 3 + "- - - - - - " * 5_000).code == "de"


@given(any_text)
def test_any_text_gives_a_code_and_a_score(text: str) -> None:
    detected = detect_language(text)
    assert CODE.fullmatch(detected.code)
    assert 0 <= detected.score <= 1


def test_a_lone_surrogate_does_no_harm() -> None:
    assert detect_language(KNOWN["en"] + "\ud800").code == "en"


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    from workers.text import language

    language._load.cache_clear()
    assert detect_language(KNOWN["fr"]).code == "fr"


def test_threads_get_the_answers_that_one_gets() -> None:
    texts = list(KNOWN.values()) * 50
    expected = [detect_language(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(detect_language, texts)) == expected


ENGLISH = frozenset({"en"})


@pytest.mark.parametrize(
    ("detected", "readable"),
    [
        (detect_language(KNOWN["en"]), True),
        (detect_language(KNOWN["de"]), False),
        (detect_language("Invoice 4711"), True),
        (detect_language("你好。"), False),
        (detect_language("12345"), False),
        (Detected("en", 1.0), True),
        (Detected("de", 1.0), False),
    ],
)
def test_a_model_reads_its_languages_and_undetermined_latin(detected: Detected, readable: bool) -> None:
    assert readable_by(ENGLISH, detected) is readable


def test_a_model_without_languages_reads_everything() -> None:
    assert readable_by(frozenset(), Detected(UNDETERMINED, 0.0))
    assert readable_by(frozenset(), Detected("zh", 1.0))
