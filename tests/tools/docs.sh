#!/bin/bash
# Runs the commands that the documentation shows: of README.md and docs/, lines indented by four that
# begin with build/ (./dev's own commands are what CI runs; FILE.ir and the like stand for a reader's
# own); of examples that train, the README's commands one after the other, in a folder of their own,
# but for those with a remark that says how many minutes they take.
set -uo pipefail
cd "$(dirname "$0")/../.."
run=0 failed=0
most=300 # seconds, with tests beside

# try WHERE COMMAND FOLDER
try() {
  run=$((run + 1))
  (cd "$3" && timeout $most bash -c "$2") >build/docs.out 2>&1
  local status=$?
  [ $status = 0 ] && return
  failed=$((failed + 1))
  if [ $status = 124 ]; then echo "$1: not done after $most s: $2"; else echo "$1: fails: $2"; fi
  tail -5 build/docs.out
}

while IFS=: read -r file line command; do
  case $command in *FILE*) continue ;; esac
  try "$file:$line" "$command" .
done < <(grep -nE '^    build/' README.md docs/*.md | sed -E 's/^([^:]+):([0-9]+): +/\1:\2:/')

# Lines that end in a backslash go on; what a line sets, later ones see.
export PATH="$PWD/build/release:$PATH"
for readme in $(grep -lE '^    .* train ' examples/*/README.md); do
  folder=build/docs/$(basename "$(dirname "$readme")")
  rm -rf "$folder"
  mkdir -p "$folder"
  ln -s ../../../examples "$folder/examples"
  commands=$(sed -nE -e ':more' -e '/^    .*\\$/{N;s/\\\n *//;b more' -e '}' \
    -e '/# [0-9]+ minutes?$/d' -e 's/^    ((dlc|examples|\.|DATA=).*)/\1/p' "$readme")
  try "$readme" "set -e; $commands" "$folder"
done
echo "docs: $((run - failed)) passed, $failed failed"
[ $run -gt 0 ] && [ $failed = 0 ]
