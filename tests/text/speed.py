#!/usr/bin/env python3
"""How fast texts become subwords, beside zlib on the same text and machine.

    tests/text/speed.py --dlc build/release/dlc --folder build/text

Learns 8,000 subwords from the King James Bible and encodes it; the best of five, alternating. The promise is 10 MB/s
on one core; zlib at its usual level makes 10 to 30 MB/s of such text, so being as fast as zlib keeps the promise on
any machine on which zlib does.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMES, SHARE = 5, 1.0


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--dlc", required=True)
    arguments.add_argument("--folder", type=pathlib.Path, required=True)
    given = arguments.parse_args()
    text, vocabulary = given.folder / "verses" / "en.txt", given.folder / "verses.subwords"
    subprocess.run([ROOT / "examples" / "transformer" / "verses.py", text.parent], stdout=subprocess.DEVNULL, check=True)
    subprocess.run([given.dlc, "subwords", "learn", "-q", text, "--size", "8000", "-o", vocabulary], check=True)
    data = text.read_bytes()
    encoding, packing = 0.0, 0.0
    for _ in range(TIMES):
        run = subprocess.run([given.dlc, "subwords", "encode", text, "--vocabulary", vocabulary, "-o", given.folder / "verses.npy"],
                             stderr=subprocess.PIPE, check=True)
        encoding = max(encoding, float(re.search(rb"([0-9.,]+) MB/s", run.stderr).group(1).replace(b",", b"")))
        start = time.perf_counter()
        zlib.compress(data)
        packing = max(packing, len(data) / (time.perf_counter() - start) / 1e6)
    print("%d bytes: subwords %.1f MB/s, zlib %.1f MB/s" % (len(data), encoding, packing))
    return 0 if encoding >= SHARE * packing else 1


sys.exit(main())
