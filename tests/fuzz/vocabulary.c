/* A vocabulary's text, a NUL, and a text to encode: what is read is written and read back the same;
 * of subwords and bytes, what is encoded comes back. */
#include "runtime/vocabulary.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const dlrt_vocabulary *v, const unsigned char *text, size_t size) {
  uint32_t *tokens;
  int64_t count = dlrt_encode_all(v, text, size, &tokens);
  unsigned char *room = malloc(dlrt_decode_room(v)), *back = malloc(size + 1);
  size_t used = 0;
  bool first = true, whole = dlrt_vocabulary_kind_of(v) == DLRT_SUBWORDS;
  if (count < 0 || !room || !back) abort();
  for (int64_t i = 0; i < count; i++) {
    if (tokens[i] == DLRT_UNKNOWN) continue;
    if (tokens[i] >= dlrt_vocabulary_count(v)) abort();
    size_t more = dlrt_decode(v, tokens[i], &first, room);
    whole = whole && !dlrt_token_is_special(v, tokens[i]);
    if (!whole) continue;
    if (used + more > size) abort();
    memcpy(back + used, room, more);
    used += more;
  }
  if (whole && (used != size || (size && memcmp(back, text, size)))) abort();
  free(back);
  free(room);
  free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *end = size ? memchr(data, 0, size) : NULL;
  size_t length = end ? (size_t)(end - data) : size;
  dlrt_vocabulary *v, *again;
  dlrt_error error;
  if (dlrt_vocabulary_parse("fuzz", (const char *)data, length, &v, &error)) return 0;
  char *text = dlrt_vocabulary_text(v);
  if (!text || dlrt_vocabulary_parse("text", text, strlen(text), &again, &error)) abort();
  char *twice = dlrt_vocabulary_text(again);
  if (!twice || strcmp(text, twice)) abort();
  if (end) encode(v, end + 1, size - length - 1);
  free(text);
  free(twice);
  dlrt_vocabulary_free(v);
  dlrt_vocabulary_free(again);
  return 0;
}
