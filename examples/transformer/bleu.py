#!/usr/bin/env python3
"""BLEU of a translation: how many of its runs of one to four words the reference has too.

    examples/transformer/bleu.py SAID REFERENCE..

Files with a sentence a line, as many in each. After Papineni, Roukos, Ward, Zhu, *BLEU: a method for automatic
evaluation of machine translation* (2002): the geometric mean of the four precisions, each over the whole
text, a run counted at most as often as a reference has it, times a penalty for what is shorter than the
references closest in length. Words are told apart as the usual scorers do (mteval 13a), case counts, so the
figures can be compared with others'.
"""
import collections
import math
import re
import sys

LONGEST = 4
# Signs stand alone; so do points and commas but between digits, and a dash after a digit.
ALONE = re.compile(r"""[!-&(-+/:-@[-`{-~]|(?<![0-9])[.,]|[.,](?![0-9])|(?<=[0-9])-""")


NAMED = (("&quot;", '"'), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def words(line):
    for name, sign in NAMED:
        line = line.replace(name, sign)
    return ALONE.sub(lambda sign: " %s " % sign.group(), line).split()


def runs(sentence, length):
    """How often each run of so many words stands there."""
    return collections.Counter(tuple(sentence[i : i + length]) for i in range(len(sentence) - length + 1))


class Counts:
    """What BLEU is made of; sentences are lists of words."""

    def __init__(self):
        self.right, self.all = [0] * LONGEST, [0] * LONGEST
        self.length = self.wanted = 0

    def add(self, said, references):
        self.length += len(said)
        self.wanted += min((len(r) for r in references), key=lambda n: (abs(n - len(said)), n))
        for n in range(LONGEST):
            found, most = runs(said, n + 1), collections.Counter()
            for reference in references:
                most |= runs(reference, n + 1)
            self.right[n] += sum((found & most).values())
            self.all[n] += sum(found.values())

    def precisions(self):
        return [right / count if count else 0.0 for right, count in zip(self.right, self.all)]

    def penalty(self):
        if self.length >= self.wanted:
            return 1.0
        return math.exp(1 - self.wanted / self.length) if self.length else 0.0

    def bleu(self):
        """Between 0 and 100; 0 where no run of some length is right."""
        precisions = self.precisions()
        if not all(precisions):
            return 0.0
        return 100 * self.penalty() * math.exp(sum(map(math.log, precisions)) / LONGEST)


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [words(line) for line in file.read().removesuffix("\n").split("\n")]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.split("\n\n")[1].strip())
    said, *references = map(lines, sys.argv[1:])
    for path, reference in zip(sys.argv[2:], references):
        if len(reference) != len(said):
            sys.exit("%s has %d lines, %s %d" % (sys.argv[1], len(said), path, len(reference)))
    counts = Counts()
    for sentence, *others in zip(said, *references):
        counts.add(sentence, others)
    print("BLEU %.2f: precisions %s %%, penalty %.3f; %d words, the reference has %d" % (
        counts.bleu(), " ".join("%.1f" % (100 * p) for p in counts.precisions()), counts.penalty(),
        counts.length, counts.wanted))


if __name__ == "__main__":
    main()
