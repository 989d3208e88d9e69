#!/usr/bin/env python3
"""examples/transformer/bleu.py against values that are known.

    tests/text/bleu.py
"""
import pathlib
import subprocess
import sys
import tempfile

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "transformer"
sys.dont_write_bytecode = True
sys.path.insert(0, str(EXAMPLE))
import bleu  # noqa: E402

# Papineni et al. 2002, examples 1 and 2: words without the last point; there case does not count.
SAID = ("It is a guide to action which ensures that the military always obeys the commands of the party",
        "It is to insure the troops forever hearing the activity guidebook that party direct",
        "the the the the the the the")
GUIDES = ("It is a guide to action that ensures that the military will forever heed Party commands",
          "It is the guiding principle which guarantees the military forces always being under the command of the Party",
          "It is the practical guide for the army always to heed the directions of the party")
MATS = ("The cat is on the mat", "There is a cat on the mat")
# Said, wanted, and the BLEU that sacrebleu 2.4.3 gives for all of them (13a, no smoothing).
SENTENCES = (
    ("And the LORD said unto Moses, Go up into the mount.", "And the LORD said unto Moses, Come up to me into the mount,"),
    ("He begat 1,000 sons in the 3.5-year war; don't weep!", "He had 1,000 sons in the 3.5-year war: don't weep."),
    ("\"Blessed are they\" (it is written) & more", "\"Blessed be they\" -- so it is written -- & more"),
    ("In the beginning God created the heaven and the earth.", "In the beginning God created the heaven and the earth."),
    ("What?", "What shall he do then?"),
)
failed = 0


def check(what, found, wanted):
    global failed
    if found != wanted:
        failed += 1
        print("%s: %s, not %s" % (what, found, wanted))


def counts(pairs):
    made = bleu.Counts()
    for said, references in pairs:
        made.add(said.split(), [r.split() for r in references])
    return made


def main():
    low = [g.lower() for g in GUIDES]
    one, two = (counts([(said.lower(), low)]) for said in SAID[:2])
    three = counts([(SAID[2], [m.lower() for m in MATS])])
    check("the paper's candidate 1", (one.right[:2], one.all[:2]), ([17, 10], [18, 17]))
    check("the paper's candidate 2", (two.right[:2], two.all[:2]), ([8, 1], [14, 13]))
    check("the paper's clipped count", (three.right[0], three.all[0]), (2, 7))
    check("no run of four", two.bleu(), 0.0)
    check("closest length", (one.wanted, two.wanted, three.wanted), (18, 16, 7))
    check("equal texts", counts([(GUIDES[0], GUIDES[:1])]).bleu(), 100.0)
    # As others compute them: NLTK's documentation has these.
    check("candidate 1", "%.4f" % counts([(SAID[0], GUIDES)]).bleu(), "50.4567")
    book = ("he read the book because he was interested in world history",
            ["he was interested in world history because he read the book"])
    check("a corpus", "%.4f" % counts([(SAID[0], GUIDES), book]).bleu(), "59.2078")
    check("a penalty", "%.4f" % counts([("a b c d", ["a b c d e f"])]).penalty(), "0.6065")
    check("the empty text", counts([("", ["a"])]).bleu(), 0.0)
    check("words", bleu.words("He said, \"1,000 or 3.5\": go-to 5-6 don't... &quot;end.&quot;"),
          "He said , \" 1,000 or 3.5 \" : go-to 5 - 6 don't . . . \" end . \"".split())
    with tempfile.TemporaryDirectory() as folder:
        names = [pathlib.Path(folder) / name for name in ("said", "wanted")]
        for i, name in enumerate(names):
            name.write_text("".join(pair[i] + "\n" for pair in SENTENCES))
        run = subprocess.run([sys.executable, EXAMPLE / "bleu.py", *names], stdout=subprocess.PIPE, check=True)
        check("the command", run.stdout.decode().split(":")[0], "BLEU 52.56")
        names[1].write_text("one line\n")
        run = subprocess.run([sys.executable, EXAMPLE / "bleu.py", *names], stderr=subprocess.PIPE)
        check("another number of lines", (run.returncode, b"has 5 lines" in run.stderr), (1, True))
    print("bleu: %d differences" % failed)
    return 1 if failed else 0


sys.exit(main())
