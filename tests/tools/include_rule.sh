#!/bin/bash
# Checks who includes whom (docs/architecture.md): a folder may include only what its row lists.
cd "$(dirname "$0")/../.." || exit 2
rule() { # folder allowed...
  local folder=$1 file line target
  shift
  while IFS=: read -r file line target; do
    for allowed in "$folder" "$@"; do [ "$target" = "$allowed" ] && continue 2; done
    echo "$file:$line: '$folder' may not include '$target'"
    bad=1
  done < <(grep -nE '^#include "[a-z_]+/' "$folder" -r --include='*.[chyl]' |
    sed -E 's|^([^:]+):([0-9]+):#include "([a-z_]+)/.*|\1:\2:\3|')
}
bad=0
rule support
rule ir support
rule frontend ir support
rule passes ir support
rule backend ir support
rule runtime
rule driver support ir frontend passes backend runtime
[ $bad = 0 ] && echo "include rule: ok"
exit $bad
