/* Tokens to text. */
#include "runtime/tokens.h"

size_t dlrt_decode_room(const dlrt_vocabulary *v) {
  return v->longest + 1;
}

size_t dlrt_decode(const dlrt_vocabulary *v, int64_t token, bool *first, unsigned char *to) {
  size_t size, used = 0;
  if (token < 0 || token >= v->count) return 0;
  const unsigned char *bytes = dlrt_token(v, token, &size);
  if (v->kind == DLRT_WORDS && token == v->line_end) {
    *to = '\n';
    *first = true; /* no blank before a line's first word */
    return 1;
  }
  bool special = dlrt_token_is_special(v, token);
  if (special && v->kind != DLRT_WORDS) return 0;
  if (v->kind == DLRT_WORDS && !*first) to[used++] = ' ';
  memcpy(to + used, bytes, size);
  *first = false;
  return used + size;
}
