#!/bin/bash
# ./dev bench [infer|build] [options]: measure against the project's figures; both without a name.
#   infer   compiled networks and ONNX Runtime side by side (needs python3-torch and PyPI)
#   build   dlc build's time, memory, and what comes out
set -euo pipefail
cd "$(dirname "$0")/../.."
what=${1:-all}
[ $# -gt 0 ] && shift
status=0
case $what in
  infer | all)
    for package in python3-torch python3-torchvision python3-venv; do
      dpkg -s "$package" >/dev/null 2>&1 || { echo "bench infer needs: apt-get install $package" >&2; exit 1; }
    done
    tests/bench/infer.py "$@" || status=1
    ;;&
  build | all) tests/bench/build.py "$@" || status=1 ;;
  infer) ;;
  *)
    echo "dev bench: no benchmark '$what'; infer, build" >&2
    exit 2
    ;;
esac
exit $status
