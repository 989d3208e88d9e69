#!/bin/bash
# All tests: the include rule, the form of the text, unit and lit tests; the same under sanitizers, but for the long ones;
# fuzzers for a short while. --all: also what is slow or long, and longer fuzzing.
# What sanitizers and fuzzers need is built meanwhile, in the time that the tests leave.
set -euo pipefail
cd "$(dirname "$0")/../.."
all=0
[ "${1:-}" = --all ] && all=1

# make PRESET [TARGET]: says no more than how it failed.
make() {
  [ -f "build/$1/build.ninja" ] || cmake --preset "$1" >/dev/null
  cmake --build --preset "$1" -j "$(nproc)" ${2:+--target "$2"} >"build/$1.log" 2>&1 ||
    { tail -40 "build/$1.log"; return 1; }
}
export -f make

tests/tools/include_rule.sh
tests/tools/format.sh --check
label='slow|again'
[ $all = 1 ] && label=again
set -m # so that what is begun beside the tests ends with all that it began
tests/tools/docs.sh </dev/null >build/docs.log 2>&1 & # one command after the other
docs=$!
nice -n 19 bash -c 'make asan && make fuzz fuzzers' </dev/null >build/beside.log 2>&1 &
built=$!
set +m
trap 'kill -- "-$docs" "-$built" 2>/dev/null || true' EXIT
ctest --test-dir build/release -j "$(nproc)" --output-on-failure -LE "$label"
[ $all = 0 ] || tests/tools/valgrind.sh --all
# Every example: reduced, in all ways of compiling; at full size once (--all: the slowest too).
tests/reference/run.py -j "$(nproc)" --all-ways small
full=(full)
[ $all = 1 ] && full+=(slow)
tests/reference/run.py -j "$(nproc)" "${full[@]}"
[ $all = 0 ] || tests/reference/run_curves.py --threads 1,2
wait "$built" || { cat build/beside.log; exit 1; }
ctest --test-dir build/asan -j "$(nproc)" --output-on-failure -LE "$([ $all = 1 ] && echo slow || echo 'slow|long')"
seconds=12 # not optimised, which builds six times as fast and runs some three times as slow
[ $all = 1 ] && seconds=600
tests/tools/fuzz.sh $seconds
wait "$docs" || { cat build/docs.log; exit 1; }
echo "all tests passed"
