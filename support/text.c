#include "support/text.h"

#include "support/bug.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

Text text_new(Arena *arena) {
  return (Text){.arena = arena};
}

static void reserve(Text *text, size_t more) {
  size_t wanted;
  if (__builtin_add_overflow(text->length + 1, more, &wanted)) out_of_memory(more);
  if (wanted <= text->room) return;
  size_t room = text->room ? text->room * 2 : 256;
  if (room < wanted) room = wanted;
  text->bytes = arena_grow(text->arena, text->bytes, text->length, room, 1);
  text->room = room;
}

void text_bytes(Text *text, const char *bytes, size_t length) {
  reserve(text, length);
  if (length) memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
  text->bytes[text->length] = 0;
}

void text_char(Text *text, char c) {
  text_bytes(text, &c, 1);
}

void text_string(Text *text, const char *string) {
  text_bytes(text, string, strlen(string));
}

void text_format(Text *text, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (length < 0) bug("a format failed: %s", format);
  reserve(text, (size_t)length);
  vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
  va_end(again);
  text->length += (size_t)length;
}

size_t text_column(const Text *text) {
  size_t column = 0;
  for (size_t i = text->length; i > 0 && text->bytes[i - 1] != '\n'; i--)
    if (((unsigned char)text->bytes[i - 1] & 0xc0) != 0x80) column++;
  return column;
}

void text_pad(Text *text, size_t column, int separate) {
  size_t now = text_column(text);
  if (now >= column && separate) text_char(text, ' ');
  for (; now < column; now++) text_char(text, ' ');
}

const char *text_get(Text *text) {
  if (!text->bytes) text_bytes(text, "", 0);
  return text->bytes;
}

void text_thousands(Text *text, int64_t number) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%lld", (long long)number);
  for (int i = 0; i < length; i++) {
    text_char(text, digits[i]);
    int left = length - 1 - i;
    if (digits[i] != '-' && left > 0 && left % 3 == 0) text_char(text, ',');
  }
}

/* 10 and 250000, where %g with so few digits says 1e+01 and 2.5e+05. */
static void plain(char *digits, size_t size, double number) {
  enum { MOST = 1000000000 };
  if (strchr(digits, 'e') && fabs(number) >= 1 && fabs(number) < MOST)
    snprintf(digits, size, "%.0f", number);
}

static void shortest(Text *text, double number, int single) {
  if (isnan(number)) {
    text_string(text, "nan");
    return;
  }
  if (isinf(number)) {
    text_string(text, number < 0 ? "-inf" : "inf");
    return;
  }
  char digits[40];
  for (int precision = 1; precision <= 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, number);
    if (single ? strtof(digits, NULL) == (float)number : strtod(digits, NULL) == number) break;
  }
  plain(digits, sizeof digits, number);
  text_string(text, digits);
}

void text_double(Text *text, double number) {
  shortest(text, number, 0);
}
void text_float(Text *text, float number) {
  shortest(text, (double)number, 1);
}
