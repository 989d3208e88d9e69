#!/bin/bash
# All tests: the include rule, the form of the text, unit and lit tests; the same under sanitizers, but for the long ones;
# fuzzers for a short while. --all: also what is slow or long, and longer fuzzing.
set -euo pipefail
cd "$(dirname "$0")/../.."
all=0
[ "${1:-}" = --all ] && all=1

tests/tools/include_rule.sh
tests/tools/format.sh --check
label=(-LE slow)
[ $all = 1 ] && label=()
tests/tools/docs.sh >build/docs.log 2>&1 & # one command after the other, beside the tests
docs=$!
trap 'kill "$docs" 2>/dev/null || true' EXIT
ctest --test-dir build/release -j "$(nproc)" --output-on-failure "${label[@]}"
wait "$docs" || { cat build/docs.log; exit 1; }
[ $all = 0 ] || tests/tools/valgrind.sh --all
# Every example: reduced, in all ways of compiling; at full size once (--all: the slowest too).
tests/reference/run.py -j "$(nproc)" --all-ways small
full=(full)
[ $all = 1 ] && full+=(slow)
tests/reference/run.py -j "$(nproc)" "${full[@]}"
[ $all = 0 ] || tests/reference/run_curves.py --threads 1,2
[ -f build/asan/build.ninja ] || cmake --preset asan >/dev/null
cmake --build --preset asan -j "$(nproc)" >build/asan.log 2>&1 || { tail -40 build/asan.log; exit 1; }
ctest --test-dir build/asan -j "$(nproc)" --output-on-failure -LE "$([ $all = 1 ] && echo slow || echo 'slow|long')"
if compgen -G 'tests/fuzz/*.c' >/dev/null; then
  [ -f build/fuzz/build.ninja ] || cmake --preset fuzz >/dev/null
  cmake --build --preset fuzz -j "$(nproc)" --target fuzzers >build/fuzz.log 2>&1 || { tail -40 build/fuzz.log; exit 1; }
  seconds=12 # not optimised, which builds six times as fast and runs some three times as slow
  [ $all = 1 ] && seconds=600
  tests/tools/fuzz.sh $seconds
fi
echo "all tests passed"
