"""What the benchmarks share: the case's files, measuring a process, printing a table."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "reference"))
import cases  # noqa: E402
import run as runner  # noqa: E402

WORK = ROOT / "build" / "bench"


def example(name, build, batch=1):
    """The case's sources, weights and inputs under build/bench/NAME, or NAME-BATCH."""
    case = next(c for c in cases.read() if c.name == name)
    case.dims["N"] = batch
    folder = WORK / (name if batch == 1 else "%s-%d" % (name, batch))
    folder.mkdir(parents=True, exist_ok=True)
    return runner.Example(case, build, folder)


def measure(words, **extra):
    """Seconds, seconds of processors, peak memory in bytes, and stdout of a process that must succeed."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as error:
        process = subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE, stderr=error, text=True, **extra)
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            error.seek(0)
            raise runner.Failed("%s: exit %d\n%s" % (" ".join(str(w) for w in words), process.returncode, error.read()))
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, out


def arguments(description, names):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("names", nargs="*", default=names, help="cases of tests/examples.txt; default: %s" % " ".join(names))
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures here")
    return parser


def save(path, figures):
    if path:
        path.write_text(json.dumps(figures, indent=1) + "\n")


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))
