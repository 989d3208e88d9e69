#!/bin/bash
# Gets the emulated CPU that emulator.h is for: PyPI's bochscpu-python, and beside it imports.so.
# usage: fetch.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wheel="bochscpu-python==0.4.0 --hash=sha256:08297de4c657fcda712c66745388cf81cd056e01083473c44868b96f6ea020ad"
folder=$1
[ -e "$folder/imports.so" ] && [ "$folder/imports.so" -nt "$here/imports.c" ] && exit 0
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$folder"
[ -e venv/bin/pip ] || /usr/bin/python3 -m venv venv
venv/bin/pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes -r <(echo "$wheel") \
  --implementation cp --python-version 311 --abi cp311 --platform manylinux_2_28_x86_64
/usr/bin/python3 - <<'EOF'
import glob, zipfile
wheel = zipfile.ZipFile(glob.glob("bochscpu_python-*.whl")[0])
(name,) = [n for n in wheel.namelist() if n.endswith(".so")]
open("bochscpu.so", "wb").write(wheel.read(name))
EOF
nm -D --undefined-only bochscpu.so | awk '$2 ~ /^_?Py/ { print "PYTHON(" $2 ")" }' >python_names.h
"${CC_HOST:-cc}" -std=c17 -O1 -shared -fPIC -Wall -Wextra -I. "$here/imports.c" -o imports.new.so -ldl
mv imports.new.so imports.so
