#!/usr/bin/env python3
"""Compile and run the cases of tests/examples.txt, and compare with what PyTorch gave.

    tests/reference/run.py [--build DIR] [--all-ways] [--keep DIR] [-j JOBS] [--cpu CPU] [--valgrind | --emulator DIR] CASE|small|full|slow ...

A case is built with its weights inside and called once, at the defaults; --all-ways: at -O0 and -O2,
with 1 and 2 threads, with fixed dims and with those that the file leaves to the call. --valgrind: the
programs run under it, made for AVX2 since Debian 12's knows no AVX-512. --emulator: they run on the CPU of
tests/emulator, which has it. Needs the programs of a build (default build/release): dlc and tests/reference.
"""
import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import cases

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


VALGRIND = "valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite".split()


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

    def __init__(self, case, build, folder, under=(), cpu=None):
        self.case, self.build, self.folder, self.under, self.cpu = case, build, folder, under, cpu
        self.source = cases.page_of(case.example)
        words = [build / "dlc", "check", self.source, "--entry", case.entry, "--json"] + options(case, True)
        report = json.loads(call(words))
        entry = next(e for e in report["entries"] if e["name"] == case.entry)
        count = sum(self.count(p["shape"]) for p in report["parameters"])
        if count != case.parameters:
            raise Failed("%d parameters, should be %d" % (count, case.parameters))
        tensors = report["parameters"] + (report.get("states", []) if case.calls == 1 else [])
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
            call([build / "tests" / "reference", "input", i["name"], i["type"], self.rows(i["shape"]), span, path])
            self.inputs.append("%s=%s" % (i["name"], path))
        indices = set(case.given) - {i["name"] for i in entry["inputs"]}
        self.inputs += [w for name in sorted(indices) for w in ("--dim", "%s=%s" % (name, case.given[name]))]
        if case.calls > 1:
            self.inputs += ["--batch", str(case.dims["N"])]
        self.result = folder / ("out.npy" if len(entry["outputs"]) == 1 else "out.npz")

    def rows(self, shape):
        """An input's shape; of several calls one below the other."""
        shape = [self.case.dims.get(d, d) for d in shape]
        return shape_of([shape[0] * self.case.calls] + shape[1:] if shape else [], {})

    @staticmethod
    def count(shape):
        n = 1
        for d in shape:
            n *= d
        return n

    def program(self, level, fixed, weights_type="f32"):
        path = self.folder / ("program" if weights_type == "f32" else "program-" + weights_type)
        words = [self.build / "dlc", "build", self.source, "--entry", self.case.entry, "--weights", self.weights, "-o", path]
        words += [level] if level else []
        words += ["--cpu", self.cpu] if self.cpu else []
        words += ["--weights-type", weights_type] if weights_type != "f32" else []
        call(words + options(self.case, fixed))
        if self.under == VALGRIND:
            call(["strip", path])  # it cannot read all of DWARF 5
        return path

    def compare(self, program, threads):
        words = self.under + [program, "predict"] + self.inputs + ["-o", self.result]
        call(words + (["--threads", threads] if threads else []))
        values = ROOT / "tests" / "reference" / "values" / (self.case.name + ".txt")
        return call([self.build / "tests" / "reference", "compare", values, self.result])


def run(case, build, folder, all_ways, under, cpu):
    """Yields (way, what was found, seconds)."""
    example = Example(case, build, folder, under, cpu)
    for level in ("-O0", "-O2") if all_ways else (None,):
        for fixed in (True, False) if all_ways else (True,):
            start = time.time()
            program = example.program(level, fixed)
            built = time.time() - start
            for threads in (1, 2) if all_ways else (None,):
                start = time.time()
                way = " ".join([level or "", "fixed" if fixed else "dynamic", "%d threads" % threads]) if all_ways else "defaults"
                yield way, example.compare(program, threads).strip(), built, time.time() - start


def report(case, build, keep, all_ways, under, cpu):
    """What is to be said of a case, and whether it holds."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        if keep:
            folder = keep / case.name
            folder.mkdir(parents=True, exist_ok=True)
        try:
            for way, found, built, ran in run(case, build, pathlib.Path(folder), all_ways, under, cpu):
                lines.append("ok    %s (%s; built in %.2f s, ran in %.2f s): %s" % (case.name, way, built, ran, found))
        except (Failed, subprocess.TimeoutExpired) as e:
            return lines + ["FAIL  %s: %s" % (case.name, e)], False
    return lines, True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--all-ways", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path, help="leave the files in this folder")
    parser.add_argument("--cpu", help="made for it; default the machine's, with --valgrind x86-64-v3")
    parser.add_argument("--valgrind", action="store_const", const=VALGRIND, default=[])
    parser.add_argument("--emulator", type=pathlib.Path, help="the folder of tests/emulator/fetch.sh")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="cases at a time")
    given = parser.parse_args()
    failed = 0
    wanted = [c for c in cases.read() if c.name in given.names or c.kind in given.names]
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        build = given.build.resolve()
        under = [build / "tests" / "emulate", given.emulator.resolve()] if given.emulator else given.valgrind
        cpu = given.cpu or ("x86-64-v3" if given.valgrind else None)
        for lines, good in pool.map(lambda case: report(case, build, given.keep, given.all_ways, under, cpu), wanted):
            print("\n".join(lines), flush=True)
            failed += not good
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
