#!/usr/bin/env python3
"""Hides tokens of a text, and counts how many were found again.

    dlc subwords encode TEXT --vocabulary FILE -o TEXT.tokens
    examples/bert/masks.py hide TEXT.tokens MASK LENGTH -o HIDDEN.npy
    examples/bert/masks.py judge TEXT.tokens HIDDEN.npy FILLED.npy LEARNT.tokens

`hide` writes rows of LENGTH tokens, i64[rows, LENGTH], in which the number MASK stands for each seventh
token; a last row that is not full is left out. `judge` looks at those places in FILLED.npy. What it compares
with is always saying the token that is most frequent in LEARNT.tokens.
"""
import argparse
import array
import ast
import collections
import struct
import sys

EACH = 7


def tokens_of(path):
    with open(path, encoding="ascii") as file:
        return list(map(int, file.read().split()))


def swapped(numbers):
    """Arrays in files are little-endian."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def write(path, numbers, shape):
    head = "{'descr': '<i8', 'fortran_order': False, 'shape': %r, }" % (shape,)
    head += " " * (-(len(head) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        file.write(swapped(array.array("q", numbers)).tobytes())


def read(path):
    with open(path, "rb") as file:
        if file.read(8) != b"\x93NUMPY\x01\x00":
            sys.exit("%s is no .npy file" % path)
        head = ast.literal_eval(file.read(struct.unpack("<H", file.read(2))[0]).decode())
        if head["descr"] != "<i8" or head["fortran_order"]:
            sys.exit("%s holds %s, not whole numbers of 64 bits" % (path, head["descr"]))
        return swapped(array.array("q", file.read())), head["shape"]


def hide(given):
    tokens = tokens_of(given.tokens)
    rows = len(tokens) // given.length
    shown = tokens[: rows * given.length]
    shown[EACH // 2 :: EACH] = [given.mask] * len(shown[EACH // 2 :: EACH])
    write(given.output, shown, (rows, given.length))


def judge(given):
    tokens, (hidden, shape), (filled, _) = tokens_of(given.tokens), read(given.hidden), read(given.filled)
    if len(hidden) != len(filled):
        sys.exit("%s has %d tokens, %s %d" % (given.hidden, len(hidden), given.filled, len(filled)))
    usual = collections.Counter(tokens_of(given.learnt)).most_common(1)[0][0]
    places = range(EACH // 2, len(hidden), EACH)
    right = sum(filled[i] == tokens[i] for i in places)
    plain = sum(usual == tokens[i] for i in places)
    print("%d rows of %d, %d tokens hidden: %.1f %% found; the most frequent token is %.1f %% of them" % (
        *shape, len(places), 100 * right / len(places), 100 * plain / len(places)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("hide")
    command.add_argument("tokens")
    command.add_argument("mask", type=int)
    command.add_argument("length", type=int)
    command.add_argument("-o", dest="output", required=True)
    command.set_defaults(run=hide)
    command = commands.add_parser("judge")
    for name in ("tokens", "hidden", "filled", "learnt"):
        command.add_argument(name)
    command.set_defaults(run=judge)
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
