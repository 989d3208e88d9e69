# To be sourced by scripts that test a library with a C program of their own:
#   . host.sh; host_begin FILE ..     in the folder OUT with copies of these; $dlc, $flags from
#                                     the script's words DLC OUT [FLAG ..]
#   host PROGRAM LIBRARY [FLAG ..]    compiles PROGRAM.c with libLIBRARY.a to PROGRAM
here=$(cd "$(dirname "$0")" && pwd)
dlc=$1 out=$2
shift 2
flags=("$@")

host_begin() {
  mkdir -p "$out"
  cd "$out"
  (cd "$here" && cp "$@" "$out")
}

host() {
  "${CC_HOST:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror "${flags[@]}" "${@:3}" "$1.c" "lib$2.a" -lm -lpthread -o "$1"
}
