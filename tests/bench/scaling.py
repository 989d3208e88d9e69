#!/usr/bin/env python3
"""How a program's steps gain from threads.

    tests/bench/scaling.py PROGRAM [--threads K] [--rounds R] [--batch N] [--entry NAME] [--pin] [--all]

Runs `PROGRAM profile --json` with one thread and with K in turns and takes each operation's least
time, so that what else the machine does counts little. An operation whose ratio is below 1 is slower
with threads than without.
"""
import argparse
import json
import subprocess


def profile(given, threads):
    words = [given.program, "profile", "--json", "--threads", str(threads)]
    for name in ("batch", "entry"):
        if getattr(given, name):
            words += ["--" + name, getattr(given, name)]
    if given.pin:
        words.append("--pin")
    report = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return {(o["place"], o["algorithm"]): o for o in report["operations"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch")
    parser.add_argument("--entry")
    parser.add_argument("--pin", action="store_true")
    parser.add_argument("--all", action="store_true", help="every operation, not those alone that lose")
    given = parser.parse_args()
    counts, least, names = (1, given.threads), {}, {}
    for _ in range(given.rounds):
        for threads in counts:
            for key, o in profile(given, threads).items():
                names[key] = "%s x%d" % (o["name"], o["count"])
                at = least.setdefault(key, {})
                at[threads] = min(at.get(threads, o["least"]), o["least"])
    total = {t: sum(at[t] for at in least.values()) for t in counts}
    rows = sorted(least.items(), key=lambda row: -row[1][1])
    print("%-34s %-14s %10s %10s %6s" % ("operation", "line", "1 thread", "%d threads" % given.threads, "ratio"))
    for (place, _), at in rows:
        ratio = at[1] / at[given.threads] if at[given.threads] else 1
        if given.all or ratio < 1:
            line = ":".join(place.split(":")[1:])
            print("%-34.34s %-14s %8.1f us %8.1f us %6.2f"
                  % (names[place, _], line, at[1] * 1e6, at[given.threads] * 1e6, ratio))
    print("%-34s %-14s %8.1f us %8.1f us %6.2f"
          % ("total", "", total[1] * 1e6, total[given.threads] * 1e6, total[1] / total[given.threads]))


if __name__ == "__main__":
    main()
