# What the demos share: they run in the project's folder, with its compiler or that of DLC, and show
# each command.
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
dlc=${DLC:-build/release/dlc}

step() {
  printf '\n$ %s\n' "$*" >&2
  "$@"
}
