#!/bin/bash
# Runs every fuzz target for SECONDS (default 4) from its seeds in tests/fuzz/seeds/NAME.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-4}
for target in build/fuzz/tests/fuzz/fuzz_*; do
  [ -x "$target" ] && [ -f "$target" ] || continue
  name=$(basename "$target")
  corpus=build/fuzz/corpus/${name#fuzz_}
  mkdir -p "$corpus"
  seeds=tests/fuzz/seeds/${name#fuzz_}
  echo "$name: $seconds s"
  "$target" -seed=1 -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=65536 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" "$corpus" $([ -d "$seeds" ] && echo "$seeds") \
    >"build/fuzz/$name.log" 2>&1 || { tail -30 "build/fuzz/$name.log"; exit 1; }
  grep -E 'number_of_executed_units' "build/fuzz/$name.log" || true
done
