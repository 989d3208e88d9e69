#include "runtime/json.h"

#include <string.h>

enum { DEEPEST = 64 };

static void blanks(dlrt_json *json) {
  while (json->at < json->end &&
         (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r'))
    json->at++;
}

bool dlrt_json_take(dlrt_json *json, char mark) {
  if (json->bad) return false;
  blanks(json);
  if (json->at >= json->end || *json->at != mark) return false;
  json->at++;
  return true;
}

void dlrt_json_need(dlrt_json *json, char mark) {
  if (!dlrt_json_take(json, mark)) json->bad = true;
}

static int hex(dlrt_json *json) {
  int value = 0;
  for (int i = 0; i < 4; i++) {
    if (json->at >= json->end) return -1;
    char c = *json->at++;
    if (c >= '0' && c <= '9')
      value = value * 16 + (c - '0');
    else if ((c | 32) >= 'a' && (c | 32) <= 'f')
      value = value * 16 + ((c | 32) - 'a' + 10);
    else
      return -1;
  }
  return value;
}

static char *put_character(char *to, uint32_t code) {
  if (code < 0x80) {
    *to++ = (char)code;
  } else if (code < 0x800) {
    *to++ = (char)(0xc0 | code >> 6);
    *to++ = (char)(0x80 | (code & 63));
  } else {
    if (code < 0x10000) {
      *to++ = (char)(0xe0 | code >> 12);
    } else {
      *to++ = (char)(0xf0 | code >> 18);
      *to++ = (char)(0x80 | (code >> 12 & 63));
    }
    *to++ = (char)(0x80 | (code >> 6 & 63));
    *to++ = (char)(0x80 | (code & 63));
  }
  return to;
}

/* After a backslash; NULL if it is no escape. */
static char *escape(dlrt_json *json, char *to) {
  static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
  if (json->at >= json->end) return NULL;
  char c = *json->at++;
  if (c != 'u') {
    const char *found = c ? strchr(from, c) : NULL;
    if (!found) return NULL;
    *to++ = into[found - from];
    return to;
  }
  int code = hex(json);
  if (code <= 0 || (code >= 0xdc00 && code < 0xe000)) return NULL;
  if (code < 0xd800 || code >= 0xe000) return put_character(to, (uint32_t)code);
  if (json->end - json->at < 6 || json->at[0] != '\\' || json->at[1] != 'u') return NULL;
  json->at += 2;
  int low = hex(json);
  if (low < 0xdc00 || low >= 0xe000) return NULL;
  return put_character(to, 0x10000 + ((uint32_t)(code - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
}

/* Bytes of the UTF-8 character at `at`, or 0. */
static int utf8_length(const char *at, const char *end) {
  unsigned char c = (unsigned char)*at;
  int length = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
  if (end - at < length) return 0;
  for (int i = 1; i < length; i++)
    if (((unsigned char)at[i] & 0xc0) != 0x80) return 0;
  return length;
}

const char *dlrt_json_string(dlrt_json *json, char **room) {
  dlrt_json_need(json, '"');
  if (json->bad) return NULL;
  char *start = *room, *to = start;
  while (json->at < json->end && *json->at != '"') {
    if ((unsigned char)*json->at < ' ') break;
    if (*json->at == '\\') {
      json->at++;
      to = escape(json, to);
      if (!to) break;
      continue;
    }
    int length = utf8_length(json->at, json->end);
    if (!length) break;
    memmove(to, json->at, (size_t)length);
    to += length;
    json->at += length;
  }
  if (!to || json->at >= json->end || *json->at != '"') {
    json->bad = true;
    return NULL;
  }
  json->at++;
  *to++ = 0;
  *room = to;
  return start;
}

int64_t dlrt_json_count(dlrt_json *json) {
  int64_t value = 0;
  if (json->bad) return 0;
  blanks(json);
  const char *start = json->at;
  while (json->at < json->end && *json->at >= '0' && *json->at <= '9') {
    int digit = *json->at++ - '0';
    if (value > (INT64_MAX - digit) / 10) {
      json->bad = true;
      return 0;
    }
    value = value * 10 + digit;
  }
  if (json->at == start || (json->at < json->end && strchr(".eE", *json->at) && *json->at))
    json->bad = true;
  return json->bad ? 0 : value;
}

static void skip_string(dlrt_json *json) {
  dlrt_json_need(json, '"');
  while (!json->bad && json->at < json->end && *json->at != '"') {
    if (*json->at == '\\') json->at++;
    if (json->at < json->end) json->at++;
  }
  dlrt_json_need(json, '"');
}

static void skip(dlrt_json *json, int depth) {
  if (depth > DEEPEST) json->bad = true;
  if (json->bad) return;
  blanks(json);
  char first = json->at < json->end ? *json->at : 0;
  if (first == '"') {
    skip_string(json);
  } else if (first == '{' || first == '[') {
    char last = first == '{' ? '}' : ']';
    json->at++;
    if (dlrt_json_take(json, last)) return;
    do {
      if (first == '{') {
        skip_string(json);
        dlrt_json_need(json, ':');
      }
      skip(json, depth + 1);
    } while (dlrt_json_take(json, ','));
    dlrt_json_need(json, last);
  } else {
    const char *start = json->at;
    while (json->at < json->end && *json->at && strchr("+-.0123456789aeflnrstuE", *json->at))
      json->at++;
    if (json->at == start) json->bad = true;
  }
}

void dlrt_json_skip(dlrt_json *json) {
  skip(json, 0);
}

void dlrt_json_put(FILE *to, const char *text) {
  fputc('"', to);
  for (; *text; text++)
    if (*text == '"' || *text == '\\')
      fprintf(to, "\\%c", *text);
    else if ((unsigned char)*text < ' ')
      fprintf(to, "\\u%04x", *text);
    else
      fputc(*text, to);
  fputc('"', to);
}
