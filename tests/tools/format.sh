#!/bin/bash
# Brings C sources (clang-format) and .dl files (dlc fmt) into their form; --check only looks.
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=(-i)
[ "${1:-}" = --check ] && mode=(--dry-run -Werror)
git ls-files '*.c' '*.h' | xargs clang-format "${mode[@]}"
if [ -x build/release/dlc ]; then
  check=()
  [ "${1:-}" = --check ] && check=(--check)
  git ls-files 'examples/*.dl' 'frontend/std/*.dl' | xargs build/release/dlc fmt "${check[@]}"
fi
