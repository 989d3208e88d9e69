/* text.h - a growing string, for printers. */
#ifndef SUPPORT_TEXT_H
#define SUPPORT_TEXT_H

#include "support/arena.h"

#include <stdint.h>
#include <stdio.h>

typedef struct {
  Arena *arena;
  char *bytes; /* NUL-terminated once anything was added */
  size_t length, room;
} Text;

Text text_new(Arena *arena);
void text_char(Text *text, char c);
void text_bytes(Text *text, const char *bytes, size_t length);
void text_string(Text *text, const char *string);
void text_format(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Blanks until the current line has `column` characters; at least one if `separate`. */
void text_pad(Text *text, size_t column, int separate);
/* Characters in the current line (UTF-8 aware). */
size_t text_column(const Text *text);
const char *text_get(Text *text); /* never NULL */

/* 1234567 -> "1,234,567". */
void text_thousands(Text *text, int64_t number);
/* The shortest decimal that reads back as exactly this double (or float); inf, -inf, nan. */
void text_double(Text *text, double number);
void text_float(Text *text, float number);

#endif
