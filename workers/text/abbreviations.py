"""Word lists of the sentence splitter, English and German: what a full stop after a word means.

Abbreviations are in lower case, without their last full stop.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A name, a number or the rest of the phrase follows: the full stop never ends the sentence.
NEVER_LAST = _words(
    """
    mr mrs ms messrs mme mlle dr drs prof rev hon gen adm capt cmdr col maj lt sgt cpl pvt gov sen rep reps sens pres
    insp supt st ste mt vs cf viz e.g i.e eg ie approx ca al
    hr fr fa frl dipl ing mag z.b d.h u.a v.a i.d.r s.o o.ä bzw vgl evtl ggf inkl exkl mind geb gest
    sog tel str nr nrn jg hl jhdt lfd ehem vorm allg dt engl frz österr zzgl abzgl gem
    """
)

# Abbreviations only in front of a number: "No. 5", but "He said no."
NEVER_LAST_BEFORE_NUMBER = _words(
    """
    no nos fig figs eq eqs sec secs ch chap vol vols p pp par para art ex exs ed eds app ref refs abs bd
    jan feb mar apr jun jul aug sep sept oct nov dec jän mär okt dez mrz
    """
)

# Abbreviations that may stand at a sentence's end: they end it only if a word follows that opens sentences.
OFTEN_LAST = _words(
    """
    inc corp co cos ltd plc llc llp lp bros assn dept univ jr sr esq etc ph.d m.d b.a m.a u.s u.k u.n u.s.a e.u d.c
    a.m p.m ave blvd rd hwy bldg mfg intl natl govt est min avg misc ext dist ft
    jan feb mar apr jun jul aug sep sept oct nov dec tues thurs
    ariz calif colo conn fla kan ky md mich minn mo mont neb nev okla tenn tex va vt wis wyo
    usw usf u.s.w o.g gmbh mio mrd tsd std stk sek
    """
)

# Capitalised words that rarely follow an abbreviation inside a name, but often open a sentence.
SENTENCE_OPENERS = _words(
    """
    A About According After All Also Although Among An And Another Any As At Because Before Both But By Can Could Did Do
    Does During Each Even Every First For From Had Has Have He Her Here His How However I If In Instead Is It Its Last
    Many May Meanwhile More Most Mr Mrs Ms My Nevertheless Next No Nor Not Now Of On Once One Only Or Other Others Our
    Over Please Since She Should So Some Still Such Than That The Their Then There These They This Those Though Thus To
    Today Two Under Until Was We Were What When Where Whether Which While Who Why Will With Would Yesterday Yet You Your
    Aber Als Am An Auch Auf Aus Bei Da Damit Danach Das Dass Dem Den Denn Der Des Die Dies Diese Dieser Dieses Doch Dort
    Durch Ein Eine Einen Einer Er Es Für Gegen Hier Ich Ihr Ihre Im In Ist Jedoch Man Mit Nach Nicht Noch Nun Nur Ob
    Oder Seit Sie Sind So Und Um Unter Vom Von Vor Wann War Warum Was Weil Wenn Wer Wie Wir Zu Zudem Zum Zur Zwar
    """
)

# After a number with a full stop these show a German ordinal: "9. Juni", "2. Weltkrieg".
NAMES_AFTER_ORDINAL = _words(
    """
    Januar Jänner Februar Feber März April Mai Juni Juli August September Oktober November Dezember
    Jahrhundert Jahrhunderts Halbjahr Quartal Weltkrieg Weltkriegs Weltkrieges Minute Minuten Platz Rang Runde Spieltag
    Stock Bezirk Bundesliga Liga Etappe Lebensjahr Geburtstag Jahrestag Mal Klasse Auflage Ausgabe Halbzeit Staffel
    Kapitel Akt
    """
)
