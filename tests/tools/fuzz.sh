#!/bin/bash
# Runs every fuzz target for SECONDS (default 12) from its seeds in tests/fuzz/seeds/NAME, one on each CPU.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-12}
run() { # TARGET SECONDS
  local name=${1##*/} seeds=()
  local corpus=build/fuzz/corpus/${name#fuzz_}
  mkdir -p "$corpus"
  [ -d "tests/fuzz/seeds/${name#fuzz_}" ] && seeds=("tests/fuzz/seeds/${name#fuzz_}")
  "$1" -seed=1 -max_total_time="$2" -timeout=20 -rss_limit_mb=2048 -max_len=65536 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" "$corpus" "${seeds[@]}" >"build/fuzz/$name.log" 2>&1 ||
    { tail -30 "build/fuzz/$name.log"; return 255; } # 255 ends xargs
  echo "$name, $2 s: $(sed -n 's/.*number_of_executed_units: *//p' "build/fuzz/$name.log") runs"
}
export -f run
find build/fuzz/tests/fuzz -maxdepth 1 -name 'fuzz_*' -type f -executable | sort |
  xargs -P "$(nproc)" -I{} bash -c "run {} $seconds"
