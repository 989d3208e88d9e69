#!/bin/bash
# Gets the emulated CPU that emulator.h is for: PyPI's bochscpu-python, and beside it imports.so.
# usage: fetch.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=0.4.0
folder=$1
[ -e "$folder/imports.so" ] && [ "$folder/imports.so" -nt "$here/imports.c" ] && exit 0
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$folder"
[ -e venv/bin/pip ] || /usr/bin/python3 -m venv venv
venv/bin/pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --implementation cp --python-version 311 --abi cp311 \
  --platform manylinux_2_28_x86_64 "bochscpu-python==$version"
/usr/bin/python3 - <<'EOF'
import glob, zipfile
wheel = zipfile.ZipFile(glob.glob("bochscpu_python-*.whl")[0])
(name,) = [n for n in wheel.namelist() if n.endswith(".so")]
open("bochscpu.so", "wb").write(wheel.read(name))
EOF
nm -D --undefined-only bochscpu.so | awk '$2 ~ /^_?Py/ { print "PYTHON(" $2 ")" }' >python_names.h
"${CC_HOST:-cc}" -std=c17 -O1 -shared -fPIC -w -I. "$here/imports.c" -o imports.new.so -ldl
mv imports.new.so imports.so
