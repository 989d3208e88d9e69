#!/bin/bash
# Warnings of both compilers, clang-tidy, the form of the text, the include rule.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/tools/include_rule.sh
tests/tools/format.sh --check
cmake -S . -B build/lint-clang -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
cmake --build build/lint-clang -j "$(nproc)" | tail -1
# What CMake builds: the rest, programs compiled beside a header that dlc makes, can't be read alone. A process for each
# file: clang-tidy 14 warns of a va_list wrongly where one reads several.
git ls-files '*.c' | grep -v '^tests/fuzz/' |
  grep -xF -f <(sed -n "s|.*\"file\": \"$PWD/\([^\"]*\)\".*|\1|p" build/lint-clang/compile_commands.json) |
  nice -n 15 xargs -P "$(nproc)" -n 1 clang-tidy -p build/lint-clang --quiet --warnings-as-errors='*' 2>/dev/null
echo "lint: ok"
