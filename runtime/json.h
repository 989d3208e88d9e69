/* json.h - the little JSON that safetensors' heads are made of, read in place from a bounded text.
 *
 * Each function takes one thing at the cursor and moves past it, or sets `bad` and stays. After a
 * failure all of them fail, so that callers look once, at the end.
 */
#ifndef DLRT_JSON_H
#define DLRT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
  const char *at, *end;
  bool bad;
} dlrt_json;

/* Takes `mark` (after blanks) if it is next. */
bool dlrt_json_take(dlrt_json *json, char mark);
void dlrt_json_need(dlrt_json *json, char mark);
/* A string's UTF-8 with a NUL after it, written at *room, which moves on: never more bytes than the
 * string takes in the text. NULL if it is no string, not UTF-8, or holds a NUL. */
const char *dlrt_json_string(dlrt_json *json, char **room);
/* A whole number, 0 .. INT64_MAX. */
int64_t dlrt_json_count(dlrt_json *json);
/* Any value. */
void dlrt_json_skip(dlrt_json *json);

/* Writes a string with its quotes. */
void dlrt_json_put(FILE *to, const char *text);

#endif
