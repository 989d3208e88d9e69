#!/usr/bin/env python3
"""Compile and run the cases of tests/examples.txt, and compare with what PyTorch gave.

    tests/reference/run.py [--build DIR] [--all-ways] [--keep] CASE|small|full|slow ...

A case is built with its weights inside and called once, at the defaults; --all-ways: at -O0 and -O2,
with 1 and 2 threads, with fixed dims and with those that the file leaves to the call. Needs the
programs of a build (default build/release): dlc and tests/reference.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import cases

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Failed(Exception):
    pass


def call(words, text=None, limit=600):
    done = subprocess.run([str(w) for w in words], input=text, capture_output=True, text=True, timeout=limit)
    if done.returncode:
        raise Failed("%s: exit %d\n%s%s" % (" ".join(str(w) for w in words), done.returncode, done.stdout, done.stderr))
    return done.stdout


def options(case, fixed):
    words = [w for key, value in case.defines.items() for w in ("-D", "%s=%s" % (key, value))]
    if fixed:
        words += [w for key, value in case.dims.items() for w in ("--dim", "%s=%d" % (key, value))]
    return words


def shape_of(shape, dims):
    return ",".join(str(dims.get(d, d)) for d in shape) or "-"


class Example:
    """A case's weights and inputs as files in `folder`."""

    def __init__(self, case, build, folder):
        self.case, self.build, self.folder = case, build, folder
        self.source = cases.page_of(case.example)
        words = [build / "dlc", "check", self.source, "--entry", case.entry, "--json"] + options(case, True)
        report = json.loads(call(words))
        entry = next(e for e in report["entries"] if e["name"] == case.entry)
        count = sum(self.count(p["shape"]) for p in report["parameters"])
        if count != case.parameters:
            raise Failed("%d parameters, should be %d" % (count, case.parameters))
        tensors = report["parameters"] + report.get("states", [])
        self.weights = folder / "weights.safetensors"
        lines = "".join("%s %s %s\n" % (t["name"], t["type"], shape_of(t["shape"], {})) for t in tensors)
        call([build / "tests" / "reference", "weights", self.weights] + case.scales, lines)
        self.inputs = []
        for i in entry["inputs"]:
            given = case.given.get(i["name"])
            if given is not None and not isinstance(given, tuple):
                self.inputs.append("%s=%s" % (i["name"], given))
                continue
            path = folder / (i["name"] + ".npy")
            span = "%d..%d" % given if given else "-"
            call([build / "tests" / "reference", "input", i["name"], i["type"], shape_of(i["shape"], case.dims), span, path])
            self.inputs.append("%s=%s" % (i["name"], path))
        self.result = folder / ("out.npy" if len(entry["outputs"]) == 1 else "out.npz")

    @staticmethod
    def count(shape):
        n = 1
        for d in shape:
            n *= d
        return n

    def program(self, level, fixed):
        path = self.folder / "program"
        call([self.build / "dlc", "build", self.source, "--entry", self.case.entry, "--weights", self.weights, "-o", path]
             + ([level] if level else []) + options(self.case, fixed))
        return path

    def compare(self, program, threads):
        words = [program, "predict"] + self.inputs + ["-o", self.result]
        call(words + (["--threads", threads] if threads else []))
        values = ROOT / "tests" / "reference" / "values" / (self.case.name + ".txt")
        return call([self.build / "tests" / "reference", "compare", values, self.result])


def run(case, build, folder, all_ways):
    """Yields (way, what was found, seconds)."""
    example = Example(case, build, folder)
    for level in ("-O0", "-O2") if all_ways else (None,):
        for fixed in (True, False) if all_ways else (True,):
            start = time.time()
            program = example.program(level, fixed)
            built = time.time() - start
            for threads in (1, 2) if all_ways else (None,):
                start = time.time()
                way = " ".join([level or "", "fixed" if fixed else "dynamic", "%d threads" % threads]) if all_ways else "defaults"
                yield way, example.compare(program, threads).strip(), built, time.time() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--all-ways", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path, help="leave the files in this folder")
    given = parser.parse_args()
    failed = 0
    for case in cases.read():
        if case.name not in given.names and case.kind not in given.names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            if given.keep:
                folder = given.keep / case.name
                folder.mkdir(parents=True, exist_ok=True)
            try:
                for way, found, built, ran in run(case, given.build.resolve(), pathlib.Path(folder), given.all_ways):
                    print("ok    %s (%s; built in %.2f s, ran in %.2f s): %s" % (case.name, way, built, ran, found), flush=True)
            except (Failed, subprocess.TimeoutExpired) as e:
                failed += 1
                print("FAIL  %s: %s" % (case.name, e), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
