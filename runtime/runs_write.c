/* Texts, token after token. */
#include "runtime/runs.h"
#include "runtime/unicode.h"

#include <stdlib.h>
#include <string.h>

/* ---- the sink ---- */

static bool hold(dlrt_sink *sink, const unsigned char *bytes, size_t size) {
  if (sink->size + size + 1 > sink->room) {
    size_t room = 2 * (sink->size + size + 64);
    char *more = realloc(sink->held, room);
    if (!more) return false;
    sink->held = more;
    sink->room = room;
  }
  if (size) memcpy(sink->held + sink->size, bytes, size);
  sink->size += size;
  sink->held[sink->size] = 0;
  return true;
}

static void put(dlrt_sink *sink, size_t size) {
  if (!sink->to || !size) return;
  fwrite(sink->held, 1, size, sink->to);
  fflush(sink->to);
  memmove(sink->held, sink->held + size, sink->size - size);
  sink->size -= size;
}

/* Bytes at the end that a character may go on from. */
static size_t open_character(const char *text, size_t size) {
  for (size_t tail = 1; tail <= 3 && tail <= size; tail++) {
    unsigned char c = (unsigned char)text[size - tail];
    if ((c & 0xc0) == 0x80) continue;
    size_t whole = c > 0xf4 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
    return tail < whole ? tail : 0;
  }
  return 0;
}

/* Bytes at the end that the text to stop at may begin with. */
static size_t open_stop(const char *text, size_t size, const char *stop) {
  size_t length = stop ? strlen(stop) : 0;
  for (size_t tail = length < size + 1 ? length : size + 1; tail-- > 1;)
    if (memcmp(text + size - tail, stop, tail) == 0) return tail;
  return 0;
}

void dlrt_sink_token(dlrt_sink *sink, int64_t token) {
  const dlrt_vocabulary *v = sink->runner->program->tokens;
  unsigned char byte = (unsigned char)token, *room = &byte;
  size_t size = token < 256;
  if (v) {
    room = malloc(dlrt_decode_room(v));
    size = room ? dlrt_decode(v, token, &sink->first, room) : 0;
  }
  sink->failed = sink->failed || !room || !hold(sink, room, size);
  if (v) free(room);
  if (sink->failed) return;
  char *found = sink->stop && sink->size ? strstr(sink->held, sink->stop) : NULL;
  if (found) {
    sink->size = (size_t)(found - sink->held);
    sink->stopped = true;
    put(sink, sink->size);
    return;
  }
  size_t tail = open_character(sink->held, sink->size);
  size_t other = open_stop(sink->held, sink->size, sink->stop);
  put(sink, sink->size - (tail > other ? tail : other));
}

void dlrt_sink_end(dlrt_sink *sink, bool cut) {
  if (cut) sink->size -= open_character(sink->held, sink->size);
  put(sink, sink->size);
}

/* ---- drawing ---- */

/* Tokens that the vocabulary has. */
static int64_t known(const dlrt_runner *r) {
  return r->program->tokens ? dlrt_vocabulary_count(r->program->tokens) : r->classes;
}

int dlrt_runner_draw(dlrt_runner *r, dlrt_sink *sink, const char **why) {
  const dlrt_program *p = r->program;
  dlrt_choosing how = {p->temperature, p->top_k, p->top_p, (uint64_t)p->seed};
  int64_t most = p->token_count ? p->token_count : DLRT_USUAL_TOKENS, begun = r->length;
  int64_t *tokens = malloc((size_t)r->rows * sizeof *tokens);
  int code = tokens ? 0 : dlrt_complain(p, EXIT_INPUT, "no memory to write");
  *why = "tokens";
  while (!code && r->length - begun < most) {
    if (dlrt_interrupted()) {
      *why = "interrupt";
      break;
    }
    int64_t token = dlrt_choose(r->chooser, &how, r->logits, known(r), (uint64_t)r->length);
    if (token < 0) {
      code = dlrt_complain(p, EXIT_INPUT, "the logits of token %lld are nan or infinite",
                           (long long)r->length + 1);
      break;
    }
    if (token == r->end) {
      *why = "end";
      break;
    }
    dlrt_sink_token(sink, token);
    for (int64_t row = 0; row < r->rows; row++) tokens[row] = token;
    if (sink->stopped || r->length - begun + 1 == most) {
      for (int64_t row = 0; row < r->rows; row++) r->text[row * r->room + r->length] = token;
      r->length++;
      if (sink->stopped) *why = "stop";
      break;
    }
    code = dlrt_runner_go_on(r, tokens);
    if (!code && r->full) {
      *why = "full";
      break;
    }
  }
  if (!code && sink->failed) code = dlrt_complain(p, EXIT_INPUT, "no memory to write");
  free(tokens);
  return code;
}
