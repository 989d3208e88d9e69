#!/bin/bash
# A build that is ended while the linker is at work leaves nothing behind: no folder, no part of its output.
# usage: interrupted.sh DLC EXAMPLES
set -uo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/temporary" "$folder/out"
cat >"$folder/cc" <<END
#!/bin/sh
(sleep 1; touch "$folder/out/.lenet.tmp") & # as the linker that cc starts
touch "$folder/out/.lenet.tmp" "$folder/started"
sleep 60
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
sleep 1.5
left=$(ls -A "$folder/temporary" "$folder/out" | grep -v -e ':$' -e '^$')
if [ $status != 143 ] || [ -n "$left" ]; then
  echo "interrupted: exit code $status, wanted 143; left behind: ${left:-nothing}"
  exit 1
fi

# A signal between the text of a dump and its name: what was written goes, too.
cat >"$folder/slow.c" <<END
#include <unistd.h>
int fsync(int file) { /* the text is there, its name is not yet */
  (void)file;
  return (int)sleep(60);
}
END
if cc -shared -fPIC "$folder/slow.c" -o "$folder/slow.so" &&
  [ -z "$(nm -D "$1" | grep __asan_init)" ]; then # the sanitizers must be loaded first
  mkdir "$folder/text"
  LD_PRELOAD="$folder/slow.so" "$1" dump "$2/lenet/lenet.dl" -o "$folder/text/lenet.ir" -q &
  builder=$!
  for ((i = 0; i < 600; i++)); do
    [ -s "$folder/text/.lenet.ir.tmp" ] && break
    sleep 0.1
  done
  kill -TERM $builder
  wait $builder 2>/dev/null
  status=$?
  left=$(ls -A "$folder/text")
  if [ $status != 143 ] || [ $i = 600 ] || [ -n "$left" ]; then
    echo "interrupted while a text is written: exit code $status, wanted 143; left behind: ${left:-nothing}"
    exit 1
  fi
fi

# Whatever dlc is about when the signal comes: it ends, and soon.
for ((i = 0; i < 24; i++)); do
  TMPDIR="$folder/temporary" timeout -k 20 "0.$((i * 37 % 40 + 100))" "$1" build "$2/lenet/lenet.dl" -o "$folder/out/lenet" -q
  status=$?
  left=$(ls -A "$folder/temporary" "$folder/out" | grep -v -e ':$' -e '^$' -e '^lenet$')
  if { [ $status != 124 ] && [ $status != 0 ]; } || [ -n "$left" ]; then
    echo "interrupted after 0.$((i * 37 % 40 + 100)) s: exit code $status; left behind: ${left:-nothing}"
    exit 1
  fi
done
