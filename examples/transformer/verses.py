#!/usr/bin/env python3
"""The Bible's verses in English and Spanish as texts, a verse a line.

    apt-get install sword-text-kjv sword-text-sparv libsword-utils
    examples/transformer/verses.py FOLDER

Writes en.txt and es.txt: the verses that both have, in order; the same in two parts, en.learn.txt and,
each 40th chapter, en.held.txt; and of those with at most 20 words in both languages train.en, train.es
and, each 50th, test.en, test.es.
"""
import html
import os
import pathlib
import re
import subprocess
import sys

MODULES = {"en": "engKJV2006eb", "es": "spaRV1909eb"}
WORDS, EACH, CHAPTERS = 20, 50, 40


def verses(module):
    """Place -> text, without notes, titles and tags."""
    text = subprocess.run(["mod2imp", module], env={"SWORD_PATH": "/usr/share/sword", **os.environ}, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout.decode()
    found = {}
    for part in text.split("$$$")[1:]:
        place, _, body = part.partition("\n")
        if not re.search(r":[1-9]\d*$", place.strip()):
            continue
        body = re.sub(r"<(note|title)\b.*?</\1>", "", body, flags=re.S)
        body = " ".join(html.unescape(re.sub(r"<[^>]*>", "", body)).replace("\u00b6", " ").split())
        if body:
            found[place.strip()] = body
    return found


def chapter(place):
    return place.rpartition(":")[0]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    texts = {language: verses(module) for language, module in MODULES.items()}
    both = [place for place in texts["en"] if place in texts["es"]]
    chapters = list(dict.fromkeys(chapter(p) for p in both))
    held = set(chapters[CHAPTERS - 1 :: CHAPTERS])
    short = [p for p in both if all(len(t[p].split()) <= WORDS for t in texts.values())]
    for language, text in texts.items():
        parts = {language + ".txt": both, language + ".learn.txt": [p for p in both if chapter(p) not in held],
                 language + ".held.txt": [p for p in both if chapter(p) in held],
                 "train." + language: [p for i, p in enumerate(short) if i % EACH],
                 "test." + language: short[::EACH]}
        for name, places in parts.items():
            (folder / name).write_text("".join(text[p] + "\n" for p in places))
    print("%d verses in %d chapters, %d of these held apart; %d verses are short, %d of these to test" % (
        len(both), len(chapters), len(held), len(short), len(short[::EACH])))


if __name__ == "__main__":
    main()
