"""Prints an enriched record for people: entities marked in the text, relations as `head -- type -> tail`."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from schemas import DeadLetter, EnrichedDocument

COLOURS = {"PER": "cyan", "ORG": "magenta", "LOC": "green", "MISC": "yellow", "DATE": "blue", "NUMBER": "blue"}
SHOWN_CHARACTERS = 700
SHOWN_RELATIONS = 8


def show_enriched(console: Console, record: EnrichedDocument) -> None:
    """Every text is printed as `Text`: a document that holds console markup cannot style anything."""
    console.rule(Text(f" {record.id} "), align="left")
    console.print(marked(record))
    texts = {entity.id: entity.text for entity in record.entities}
    for relation in record.relations[:SHOWN_RELATIONS]:
        head, tail = texts[relation.head], texts[relation.tail]
        console.print(Text(f"  {head} -- {relation.type} -> {tail}  {relation.score:.2f}", style="bold"))
    if record.classification:
        best = record.classification.labels or record.classification.candidates
        labels = ", ".join(f"{label.name} {label.score:.2f}" for label in best)
        console.print(Text(f"  labels:  {'(abstained) ' if record.classification.abstained else ''}{labels}"))
    if record.summary:
        console.print(Text(f"  summary: {record.summary.text}", style="italic"))


def marked(record: EnrichedDocument) -> Text:
    """The start of the text with its entities as `[words|TYPE]`, coloured where there are colours."""
    text, at, shown = record.text or "", 0, Text()
    for entity in record.entities:
        if entity.end > SHOWN_CHARACTERS:
            break
        shown.append(text[at : entity.start])
        shown.append(f"[{entity.text}|{entity.type}]", style=COLOURS.get(entity.type, "bold"))
        at = entity.end
    shown.append(text[at : max(at, SHOWN_CHARACTERS)])
    if len(text) > SHOWN_CHARACTERS:
        shown.append(" ...")
    return shown


def show_dead_letter(console: Console, letter: DeadLetter) -> None:
    origin = letter.origin
    where = f"{origin.topic}/{origin.partition}/{origin.offset}"
    console.print(Text(f"  {where}  {letter.stage.value}: {letter.code}: {letter.detail}", style="red"))
