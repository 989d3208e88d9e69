#!/bin/bash
# A build that is ended while the linker is at work leaves nothing behind: no folder, no part of its output; nor does
# what is ended while it writes, dlc or a program that it made.
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

# A signal between what was written and its name: it goes, too. Where files have no names at first it goes even if
# there is no time for it (KILL); else (NAMED, as on NFS) if dlc is told to end. (A program that is told to, ends in order.)
cat >"$folder/slow.c" <<END
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int fsync(int file) { /* all is written, its name is not yet there */
  (void)file;
  close(open("$folder/written", O_CREAT | O_WRONLY, 0666));
  for (;;) sleep(60);
}
int access(const char *path, int mode) {
  return getenv("NAMED") ? -1 : faccessat(AT_FDCWD, path, mode, 0);
}
END
ended() { # SIGNAL STATUS COMMAND ..: it is sent the signal while it writes into the folder text
  rm -rf "$folder/text" "$folder/written"
  mkdir "$folder/text"
  LD_PRELOAD="$folder/slow.so" "${@:3}" >"$folder/said" 2>&1 &
  writer=$!
  for ((i = 0; i < 600; i++)); do
    [ -e "$folder/written" ] && break
    sleep 0.1
  done
  kill "-$1" $writer
  wait $writer 2>/dev/null
  status=$?
  left=$(ls -A "$folder/text")
  if [ $status != "$2" ] || [ $i = 600 ] || [ -n "$left" ]; then
    echo "interrupted by $1 while it writes: ${*:3}: exit code $status, wanted $2; left behind: ${left:-nothing}"
    cat "$folder/said"
    exit 1
  fi
}
if cc -shared -fPIC "$folder/slow.c" -o "$folder/slow.so" &&
  [ -z "$(nm -D "$1" | grep __asan_init)" ]; then # the sanitizers must be loaded first
  ended TERM 143 "$1" dump "$2/lenet/lenet.dl" -o "$folder/text/lenet.ir" -q
  NAMED=1 ended TERM 143 "$1" dump "$2/lenet/lenet.dl" -o "$folder/text/lenet.ir" -q
  printf 'dim N <= 4\n\nmodel net(x: f32[N, 3]) -> f32[N, 3] {\n  return exp(x)\n}\n' >"$folder/net.dl"
  echo 1,2,3 >"$folder/x.csv"
  "$1" build "$folder/net.dl" -o "$folder/net" -q || exit 1
  ended HUP 129 "$folder/net" predict x="$folder/x.csv" -o "$folder/text/y.npy"
  ended KILL 137 "$folder/net" predict x="$folder/x.csv" -o "$folder/text/y.csv"
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
