#!/usr/bin/env python3
"""Rows to learn translation from, of two texts as tokens with a sentence a line.

    dlc subwords encode TEXT.es --vocabulary FILE -o TEXT.es.tokens        and TEXT.en likewise
    examples/transformer/pairs.py TEXT VOCABULARY LENGTH

Writes TEXT.source.npy, TEXT.before.npy and TEXT.target.npy: i64[sentences, LENGTH]. `source` is the
first language, `target` the second and its end, `before` the same one token later. Sentences that do
not fit are left out; what is left of a row is padding.
"""
import array
import pathlib
import sys


LINE_END = 198                                         # among the 256 bytes, which come first


def special_numbers(vocabulary):
    """The special tokens by name: they come after the bytes and what the merges make."""
    head, *merges = pathlib.Path(vocabulary).read_text().strip("\n").split("\n")
    return {name: 256 + len(merges) + i for i, name in enumerate(head.split(" special ")[1].split())}


def sentences(path):
    rows, row = [], []
    for token in map(int, open(path)):
        if token == LINE_END:
            rows.append(row)
            row = []
        else:
            row.append(token)
    return rows


def write(path, rows, length):
    head = "{'descr': '<i8', 'fortran_order': False, 'shape': (%d, %d), }" % (len(rows), length)
    head += " " * (-(len(head) + 11) % 64) + "\n"
    data = array.array("q", [token for row in rows for token in row])
    if sys.byteorder == "big":
        data.byteswap()
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + data.tobytes())


def main():
    text, vocabulary, length = sys.argv[1], sys.argv[2], int(sys.argv[3])
    number = special_numbers(vocabulary)
    pad, start, end = number["<pad>"], number["<s>"], number["</s>"]
    pairs = zip(*(sentences(text + "." + language + ".tokens") for language in ("es", "en")), strict=True)
    pairs = [(a, b) for a, b in pairs if 0 < len(a) <= length and 0 < len(b) < length]

    def full(rows):
        return [row + [pad] * (length - len(row)) for row in rows]
    write(text + ".source.npy", full([a for a, b in pairs]), length)
    write(text + ".before.npy", full([[start] + b for a, b in pairs]), length)
    write(text + ".target.npy", full([b + [end] for a, b in pairs]), length)
    print("%s: %d pairs of at most %d tokens" % (text, len(pairs), length))


if __name__ == "__main__":
    main()
