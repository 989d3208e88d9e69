#!/bin/bash
# A build that is ended while the linker is at work leaves nothing behind: no folder, no part of its output.
# usage: interrupted.sh DLC EXAMPLES
set -uo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/temporary" "$folder/out"
cat >"$folder/cc" <<END
#!/bin/sh
touch "$folder/out/.lenet.tmp" "$folder/started"
exec sleep 60
END
chmod +x "$folder/cc"
CC="$folder/cc" TMPDIR="$folder/temporary" "$1" build "$2/lenet/lenet.dl" -o "$folder/out/lenet" -q &
builder=$!
for ((i = 0; i < 600; i++)); do
  [ -e "$folder/started" ] && break
  sleep 0.1
done
kill -TERM $builder
wait $builder 2>/dev/null
status=$?
left=$(ls -A "$folder/temporary" "$folder/out" | grep -v -e ':$' -e '^$')
if [ $status != 143 ] || [ -n "$left" ]; then
  echo "interrupted: exit code $status, wanted 143; left behind: ${left:-nothing}"
  exit 1
fi
