#!/bin/bash
# Runs every command that the documentation shows: lines indented by four that begin with build/.
# (./dev's own commands are what CI runs.) FILE.ir and the like stand for a reader's own.
set -uo pipefail
cd "$(dirname "$0")/../.."
run=0 failed=0
while IFS=: read -r file line command; do
  case $command in *FILE*) continue ;; esac
  run=$((run + 1))
  if ! timeout 120 bash -c "$command" >build/docs.out 2>&1; then
    failed=$((failed + 1))
    echo "$file:$line: fails: $command"
    tail -5 build/docs.out
  fi
done < <(grep -nE '^    build/' README.md docs/*.md | sed -E 's/^([^:]+):([0-9]+): +/\1:\2:/')
echo "docs: $((run - failed)) passed, $failed failed"
[ $run -gt 0 ] && [ $failed = 0 ]
