#!/usr/bin/env python3
"""The run of tests/programs/nmt_attention.dl against the same search by calls of its models.

    tests/text/translate.py --dlc DLC --reference build/release/tests/reference
"""
import argparse
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

PAGE = pathlib.Path(__file__).resolve().parents[1] / "programs" / "nmt_attention.dl"
LETTERS = ["<pad>", "<s>", "</s>"] + list("abcdefghijklmnopqrstuvwxyz") + ["\\s"]
SIZES = {"words": len(LETTERS), "embed": 10, "hidden": 12, "maxout": 7}
START, END, PENALTY = 1, 2, 0.6


def call(words, text=None):
    done = subprocess.run([str(w) for w in words], input=text, capture_output=True, text=True)
    if done.returncode:
        sys.exit("%s: %s" % (" ".join(map(str, words)), done.stderr))
    return done.stdout


def build(dlc, reference, folder):
    vocabulary, weights = folder / "letters", folder / "weights.safetensors"
    vocabulary.write_text("#characters %d special <pad> <s> </s>\n" % len(LETTERS) + "".join(c + "\n" for c in LETTERS))
    defines = [w for name, value in SIZES.items() for w in ("-D", "%s=%d" % (name, value))]
    report = json.loads(call([dlc, "check", PAGE, "--json"] + defines))
    lines = "".join("%s %s %s\n" % (p["name"], p["type"], ",".join(map(str, p["shape"]))) for p in report["parameters"])
    call([reference, "weights", weights, "gain=12"], lines)
    call([dlc, "build", PAGE, "--weights", weights, "--vocabulary", vocabulary, "-o", folder / "translator", "-q"] + defines)


class Models:
    """The page's models, called by `predict`."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, name, kind, shape, values):
        code = {"<i8": "q", "<f4": "f", "|b1": "?"}[kind]
        head = "{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }" % (kind, ", ".join(map(str, shape)))
        head += " " * (-(len(head) + 11) % 64) + "\n"
        path = self.folder / (name + ".npy")
        path.write_bytes(b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<%d%s" % (len(values), code), *values))
        return "%s=%s" % (name, path)

    def predict(self, entry, inputs):
        """The results, each a flat list."""
        call([self.folder / "translator", "predict", "--entry", entry, "-o", self.folder / "out.npz", "-q"] + inputs)
        import zipfile
        found = {}
        with zipfile.ZipFile(self.folder / "out.npz") as archive:
            for name in archive.namelist():
                data = archive.read(name)
                length = struct.unpack("<H", data[8:10])[0]
                code = {"<f4": "f", "|b1": "?"}[eval(data[10 : 10 + length])["descr"]]
                rest = data[10 + length :]
                found[name[:-4]] = struct.unpack("<%d%s" % (len(rest) // struct.calcsize(code), code), rest)
        return found

    def begin(self, source):
        self.steps, self.given = len(source), self.predict("begin", [self.write("source", "<i8", (1, len(source)), source)])
        return self.given["s"]

    def next(self, words, states):
        n, hidden, f = len(words), SIZES["hidden"], lambda name, *shape: self.write(name, "<f4", shape, self.given[name] * len(words))
        out = self.predict("next", [
            self.write("word", "<i8", (n,), words), f("h", n, self.steps, 2 * hidden), f("keys", n, self.steps, hidden),
            self.write("s", "<f4", (n, hidden), [x for s in states for x in s]),
            self.write("mask", "|b1", (n, self.steps), self.given["mask"] * n)])
        cut = lambda values, width: [values[i * width : (i + 1) * width] for i in range(n)]  # noqa: E731
        return cut(out["logp"], SIZES["words"]), cut(out["s"], hidden)


def search(models, source, beams, most):
    """The best text, as docs/text.md says."""
    alive, done = [(0.0, [], models.begin(source))], []
    for length in range(1, most + 1):
        logps, states = models.next([(tokens or [START])[-1] for _, tokens, _ in alive], [s for _, _, s in alive])
        options = sorted(((score + logp[w], -i, -w) for i, ((score, _, _), logp) in enumerate(zip(alive, logps)) for w in range(len(logp))), reverse=True)
        after = []
        for rank, (score, i, w) in enumerate(options[: 2 * beams]):
            tokens = alive[-i][1] + [-w]
            if -w == END and rank >= beams:
                continue
            if -w == END:
                done.append((score / ((5 + length) / 6) ** PENALTY, tokens[:-1]))
            elif len(after) < beams:
                after.append((score, tokens, states[-i]))
        alive = after
    done += [(score / ((5 + most) / 6) ** PENALTY, tokens) for score, tokens, _ in alive]
    return max(done)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dlc", type=pathlib.Path, required=True)
    parser.add_argument("--reference", type=pathlib.Path, required=True)
    given, failed = parser.parse_args(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        build(given.dlc.resolve(), given.reference.resolve(), folder)
        models = Models(folder)
        for text, beams in (("hello world", 1), ("hello world", 4), ("the quick brown fox", 3), ("a", 5)):
            source = [LETTERS.index("\\s" if c == " " else c) for c in text]
            score, wanted = search(models, source, beams, 8)
            report = json.loads(call([folder / "translator", "translate", text, "--tokens", 8, "--beams", beams, "--json", "-q"]))
            found = report["texts"][0]["tokens"]
            if found != wanted or not math.isfinite(score):
                failed += 1
            print("%s %r, %d beams: %s, should be %s (%.4f)" % ("ok   " if found == wanted else "FAIL ", text, beams, found, wanted, score))
    sys.exit(failed > 0)


main()
